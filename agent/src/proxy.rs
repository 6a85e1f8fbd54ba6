//! The site's forward proxy as this host is told it: a file, which may hold a password, or the environment.

use netpatch_tunnel::{Proxies, Proxy};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// Which proxy to use, and who made its certificate if it wants TLS to itself. The message says what is wrong and never what the file
/// says.
pub fn proxies(file: Option<&Path>, authorities: Option<&Path>) -> Result<Proxies, String> {
    let proxies = named(file)?;
    let Some(authorities) = authorities else {
        return Ok(proxies);
    };
    let shown = authorities.display();
    let pem = std::fs::read(authorities)
        .map_err(|error| format!("cannot read the proxy's CA file {shown}: {error}"))?;
    proxies
        .with_authorities(&pem)
        .map_err(|error| format!("cannot use {shown}: {error}"))
}

fn named(file: Option<&Path>) -> Result<Proxies, String> {
    let Some(file) = file else {
        return Proxies::of_environment()
            .map_err(|error| format!("cannot use HTTPS_PROXY: {error}"));
    };
    let shown = file.display();
    let read = |error| format!("cannot read the proxy's address from {shown}: {error}");
    let text = std::fs::read_to_string(file).map_err(read)?;
    let proxy: Proxy = text
        .trim()
        .parse()
        .map_err(|error| format!("cannot use {shown}: {error}"))?;
    let mode = std::fs::metadata(file).map_err(read)?.permissions().mode() & 0o777;
    if proxy.authenticates() && mode & 0o077 != 0 {
        return Err(format!(
            "{shown} holds the proxy's password and has mode {mode:o}: let only its owner read it (chmod 600)"
        ));
    }
    Ok(Proxies::through(proxy))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_with_a_password_is_for_its_owner_only() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("proxy");
        let read = |text: &str, mode: u32| {
            std::fs::write(&file, text).expect("written");
            let permissions = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(&file, permissions).expect("set");
            proxies(Some(&file), None)
        };
        let known = read("http://u:sesame@proxy:3128\n", 0o600).expect("usable");
        assert_eq!(known.proxy().map(Proxy::address), Some("proxy:3128"));
        assert!(read("http://proxy:3128\n", 0o644).is_ok(), "no secret");
        for (bad, mode) in [
            ("http://u:sesame@proxy:3128", 0o644),
            ("http://u:ses%ame@proxy:3128", 0o600),
            ("", 0o600),
            ("http://u:sesame@proxy:3128\nhttp://other", 0o600),
        ] {
            let error = read(bad, mode).expect_err("refused");
            assert!(!error.contains("sesame"), "{error}");
        }
        assert!(proxies(Some(Path::new("/nowhere/proxy")), None).is_err());
        let authority = folder.path().join("ca.pem");
        std::fs::write(&authority, "no certificate").expect("written");
        let error = proxies(Some(&file), Some(&authority)).expect_err("refused");
        assert!(!error.contains("sesame"), "{error}");
    }
}
