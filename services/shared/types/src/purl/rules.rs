//! What the types of package URLs ask for beyond the common grammar (purl-spec, `types/*-definition.json`).

use super::{InvalidPurl, Purl};

/// Whether the name may have segments: `pkg:git/host/owner/repository`.
pub(super) fn name_is_path(kind: &str) -> bool {
    kind == "git"
}

/// Normalizes the parts and checks what must be there.
pub(super) fn apply(purl: &mut Purl) -> Result<(), InvalidPurl> {
    match purl.kind.as_str() {
        "alpm" | "apk" | "bitbucket" | "bitnami" | "brew" | "composer" | "deb" | "github"
        | "gitlab" | "golang" | "hex" | "luarocks" | "otp" | "vscode-extension" => {
            lower_namespace(purl);
            lower_name(purl);
        }
        "docker" | "oci" | "vcpkg" | "yocto" => lower_name(purl),
        "qpkg" | "rpm" => lower_namespace(purl),
        "huggingface" => {
            if let Some(version) = &mut purl.version {
                version.make_ascii_lowercase();
            }
        }
        "pypi" => {
            lower_name(purl);
            purl.name = purl.name.replace('_', "-");
        }
        "pub" => {
            lower_name(purl);
            purl.name = purl.name.replace('-', "_");
        }
        // Databricks does not tell capitals apart, Azure does.
        "mlflow"
            if purl
                .qualifier("repository_url")
                .is_some_and(|url| url.contains("databricks")) =>
        {
            lower_name(purl);
        }
        "git" => split_host(purl),
        _ => {}
    }
    check(purl)
}

fn lower_name(purl: &mut Purl) {
    purl.name = purl.name.to_lowercase();
}

fn lower_namespace(purl: &mut Purl) {
    if let Some(namespace) = &mut purl.namespace {
        *namespace = namespace.to_lowercase();
    }
}

/// The namespace is the host, all that follows the name.
fn split_host(purl: &mut Purl) {
    if let Some((host, owner)) = purl
        .namespace
        .as_ref()
        .and_then(|namespace| namespace.split_once('/'))
    {
        purl.name = format!("{owner}/{}", purl.name);
        purl.namespace = Some(host.to_owned());
    }
}

fn check(purl: &Purl) -> Result<(), InvalidPurl> {
    let broken = |rule| {
        Err(InvalidPurl::Rule {
            kind: purl.kind.clone(),
            rule,
        })
    };
    match purl.kind.as_str() {
        "chrome-extension" => {
            let is_id =
                purl.name.len() == 32 && purl.name.bytes().all(|b| (b'a'..=b'p').contains(&b));
            if !is_id {
                return broken("needs a name of 32 letters from a to p");
            }
            let is_version = |version: &String| {
                version.split('.').count() <= 4
                    && version
                        .split('.')
                        .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
            };
            if !purl.version.as_ref().is_none_or(is_version) {
                return broken("needs a version of up to four numbers");
            }
        }
        "cpan" if purl.name.contains("::") => return broken("names a distribution, not a module"),
        "julia" if purl.qualifier("uuid").is_none() => return broken("needs the qualifier uuid"),
        "swid" if purl.qualifier("tag_id").is_none() => {
            return broken("needs the qualifier tag_id");
        }
        "composer" | "github" | "bitbucket" | "swift" | "vscode-extension"
            if purl.namespace.is_none() =>
        {
            return broken("needs a namespace");
        }
        "oci" | "otp" | "vcpkg" if purl.namespace.is_some() => return broken("has no namespace"),
        _ => {}
    }
    Ok(())
}
