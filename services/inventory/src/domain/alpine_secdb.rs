//! One repository of Alpine's security database (one line: a release and a repository): per package the versions that fixed CVEs.
//! The unit is the CVE, as in the Debian feed.

use crate::domain::advisory::AdvisoryRecord;
use crate::domain::affected::{Affected, Release};
use crate::domain::cve::is_cve;
use crate::domain::enrich::Enrichment;
use crate::domain::merge::{enriched, first_fixes};
use crate::domain::osv::{OsvRecord, is_name};
use netpatch_types::version::Version;
use netpatch_types::{Ecosystem, Sha256};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Most packages of a repository. Real ones have up to 400.
const MAX_PACKAGES: usize = 50_000;

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
struct Raw {
    #[serde(rename = "distroversion")]
    release: String,
    packages: Option<Vec<RawEntry>>,
}

#[derive(Deserialize)]
struct RawEntry {
    pkg: RawPackage,
}

#[derive(Deserialize)]
struct RawPackage {
    name: String,
    secfixes: Option<BTreeMap<String, Option<Vec<String>>>>,
}

/// What a repository says of CVEs, and the digest of the line that says so.
#[derive(Clone, Debug, PartialEq)]
pub struct Repository {
    digest: Sha256,
    fixes: Vec<(String, Affected)>,
}

/// Reads one line. A version that cannot be compared is left out, as is what has no CVE id (XSA-…); version 0 means that the package
/// was never affected.
pub fn read_repository(line: &str) -> Result<Repository, String> {
    let raw: Raw = serde_json::from_str(line)
        .map_err(|error| format!("not a repository of the security database: {error}"))?;
    let packages = raw.packages.unwrap_or_default();
    if packages.len() > MAX_PACKAGES {
        return Err(format!("more than {MAX_PACKAGES} packages"));
    }
    let version = raw.release.trim_start_matches('v');
    let release = Release::os(Ecosystem::Apk, "alpine", version);
    let mut fixes = Vec::new();
    for RawPackage { name, secfixes } in packages.into_iter().map(|entry| entry.pkg) {
        if !is_name(&name) {
            return Err("a package's name cannot be one".to_owned());
        }
        for (fixed, names) in secfixes.unwrap_or_default() {
            if fixed == "0" || Version::parse(Ecosystem::Apk, &fixed).is_err() {
                continue;
            }
            // `CVE-2019-1234 XSA-123`, `CVE-2017-11541 (tcpdump -V)`.
            let names = names.unwrap_or_default();
            let cves = names.iter().flat_map(|text| text.split_whitespace());
            for cve in cves.filter(|name| is_cve(name)) {
                let affected = Affected::below(release.clone(), name.clone(), fixed.clone());
                fixes.push((cve.to_owned(), affected));
            }
        }
    }
    Ok(Repository {
        digest: Sha256::of(line.as_bytes()),
        fixes,
    })
}

/// One advisory a CVE, sorted by name.
#[must_use]
pub fn gather(
    feed: &str,
    repositories: Vec<Repository>,
    enrichment: &Enrichment,
) -> Vec<AdvisoryRecord> {
    let mut all: BTreeMap<String, (Sha256, Vec<Affected>)> = BTreeMap::new();
    for repository in repositories {
        for (cve, affected) in repository.fixes {
            all.entry(cve)
                .or_insert_with(|| (repository.digest, Vec::new()))
                .1
                .push(affected);
        }
    }
    all.into_iter()
        .map(|(cve, (digest, affected))| {
            let record = OsvRecord {
                url: Some(format!("https://security.alpinelinux.org/vuln/{cve}")),
                digest,
                cves: vec![cve.clone()],
                ..OsvRecord::new(cve.clone())
            };
            enriched(feed, cve, record, enrichment, first_fixes(affected))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cve_is_one_advisory_with_the_first_fix_of_each_package() {
        let line = r#"{"distroversion":"v3.11","reponame":"main","packages":[{"pkg":{"name":"exim","secfixes":
            {"4.90.1-r0":["CVE-2018-6789"],"4.89-r5":["CVE-2018-6789 XSA-1"],"0":["CVE-2018-1111"],"odd version":["CVE-2018-2222"]}}},
            {"pkg":{"name":"heimdal","secfixes":{"7.4.0-r0":null}}}]}"#;
        let repository = read_repository(line).expect("readable");
        let all = gather("alpine", vec![repository], &Enrichment::default());
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].name, "CVE-2018-6789");
        assert_eq!(all[0].affected.len(), 1);
        assert_eq!(all[0].affected[0].only_fix(), Some("4.89-r5"));
        assert_eq!(all[0].affected[0].release.codename, "3.11");
        assert!(read_repository("{}").is_err());
    }
}
