//! Which files are versions of one package, told by their names as repositories write them. A guess: what follows from it is proven by
//! a hash.

/// What all versions of a package for an architecture have in common; `None` for a file that is no package by its name.
#[must_use]
pub fn family(path: &str) -> Option<String> {
    let file = path.rsplit('/').next()?;
    if let Some(name) = file.strip_suffix(".rpm") {
        // NAME-VERSION-RELEASE.ARCH
        let (rest, arch) = name.rsplit_once('.')?;
        let (rest, _) = rest.rsplit_once('-')?;
        let (name, _) = rest.rsplit_once('-')?;
        return (!name.is_empty()).then(|| format!("{name}.{arch}.rpm"));
    }
    // NAME_VERSION_ARCH
    let (name, kind) = file.rsplit_once('.')?;
    let (rest, arch) = name.rsplit_once('_')?;
    let (name, _) = rest.rsplit_once('_')?;
    let is_deb = matches!(kind, "deb" | "udeb" | "ddeb");
    (is_deb && !name.is_empty()).then(|| format!("{name}_{arch}.{kind}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn versions_of_a_package_have_one_family() {
        let old = family("pool/main/o/openssl/libssl3_3.0.15-1~deb12u1_amd64.deb");
        let new = family("pool/updates/main/o/openssl/libssl3_3.0.18-1~deb12u2_amd64.deb");
        assert_eq!(old.as_deref(), Some("libssl3_amd64.deb"));
        assert_eq!(old, new);
        let old = family("Packages/b/bind-libs-lite-9.16.23-18.el9_4.6.x86_64.rpm");
        assert_eq!(old.as_deref(), Some("bind-libs-lite.x86_64.rpm"));
    }

    #[test]
    fn others_have_another_or_none() {
        let one = family("pool/a_1_amd64.deb");
        assert_ne!(one, family("pool/a_1_arm64.deb"));
        assert_ne!(one, family("pool/a-dbg_1_amd64.deb"));
        assert_ne!(one, family("pool/a_1_amd64.udeb"));
        for path in [
            "dists/stable/InRelease",
            "pool/a.deb",
            "pool/a_1.deb",
            "_1_amd64.deb",
            "a.rpm",
            "a-1.x86_64.rpm",
            "-1-1.x86_64.rpm",
            "pool/a_1_amd64.tar",
            "",
            "/",
        ] {
            assert_eq!(family(path), None, "{path}");
        }
    }

    proptest! {
        #[test]
        fn no_name_is_too_odd(path in ".{0,80}") {
            let _ = family(&path);
        }
    }
}
