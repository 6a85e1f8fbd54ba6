//! What `apt-cache policy` says: candidates, and from which release each version comes.

use std::collections::BTreeMap;

/// The release that an index belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Release {
    /// Origin.
    pub(crate) origin: String,
    /// Codename, else Suite.
    pub(crate) suite: String,
    /// Label.
    pub(crate) label: String,
}

/// Index ("URL suite/component arch Packages") → release.
pub(crate) type Releases = BTreeMap<String, Release>;

/// Reads `apt-cache policy` without arguments.
pub(crate) fn releases(text: &str) -> Releases {
    let mut releases = Releases::new();
    let mut index = None;
    for line in text.lines() {
        let line = line.trim();
        if let Some(rest) = line.strip_prefix("release ") {
            if let Some(index) = index.take() {
                releases.insert(index, release(rest));
            }
        } else if let Some((_, rest)) = line.split_once(' ')
            && line.starts_with(|first: char| first.is_ascii_digit() || first == '-')
        {
            index = Some(rest.trim().to_owned());
        }
    }
    releases
}

/// `v=12,o=Debian,a=oldstable,n=bookworm,l=Debian,c=main,b=amd64`; a value may hold commas.
fn release(text: &str) -> Release {
    let mut release = Release::default();
    let mut archive = String::new();
    for part in text.split(',') {
        match part.split_once('=') {
            Some(("o", value)) => release.origin = value.to_owned(),
            Some(("n", value)) => release.suite = value.to_owned(),
            Some(("a", value)) => archive = value.to_owned(),
            Some(("l", value)) => release.label = value.to_owned(),
            _ => {}
        }
    }
    if release.suite.is_empty() {
        release.suite = archive;
    }
    release
}

/// What apt knows about one package.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Policy {
    /// The version that apt would choose.
    pub(crate) candidate: String,
    /// Version → indices that offer it; without dpkg's own status.
    pub(crate) offered: BTreeMap<String, Vec<String>>,
}

/// Reads `apt-cache policy NAME…`; keys are as apt prints them: `name` or `name:arch` for foreign ones.
pub(crate) fn policies(text: &str) -> BTreeMap<String, Policy> {
    let mut policies: BTreeMap<String, Policy> = BTreeMap::new();
    let (mut package, mut version) = (String::new(), String::new());
    for line in text.lines() {
        if let Some(name) = line.strip_suffix(':').filter(|_| !line.starts_with(' ')) {
            package = name.to_owned();
            version.clear();
            policies.insert(package.clone(), Policy::default());
            continue;
        }
        let Some(policy) = policies.get_mut(&package) else {
            continue;
        };
        if let Some(candidate) = line.strip_prefix("  Candidate: ") {
            policy.candidate = candidate.trim().to_owned();
        } else if let Some(rest) = line.strip_prefix(" *** ").or_else(|| {
            line.strip_prefix("     ")
                .filter(|rest| !rest.starts_with(' '))
        }) {
            version = rest
                .split_whitespace()
                .next()
                .unwrap_or_default()
                .to_owned();
        } else if line.starts_with("        ") && !version.is_empty() {
            let index = line
                .trim()
                .split_once(' ')
                .map_or("", |(_, index)| index.trim());
            if !index.is_empty() && index != super::status::STATUS {
                policy
                    .offered
                    .entry(version.clone())
                    .or_default()
                    .push(index.to_owned());
            }
        }
    }
    policies
}

impl Policy {
    /// The release that a version comes from; the security archive is preferred where several offer it.
    pub(crate) fn release<'a>(&self, version: &str, releases: &'a Releases) -> Option<&'a Release> {
        let mut offering: Vec<&Release> = self
            .offered
            .get(version)?
            .iter()
            .filter_map(|index| releases.get(index))
            .collect();
        offering.sort_by_key(|release| {
            !release.suite.contains("security") && !release.label.contains("Security")
        });
        offering.first().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RELEASES: &str = "Package files:\n 100 /var/lib/dpkg/status\n     release a=now\n 500 http://deb.example.invalid/debian-security bookworm-security/main amd64 Packages\n     release v=12,o=Debian,a=oldstable-security,n=bookworm-security,l=Debian-Security,c=main,b=amd64\n     origin deb.example.invalid\n 500 http://deb.example.invalid/debian bookworm/main amd64 Packages\n     release v=12.15,o=Debian,a=oldstable,n=bookworm,l=Debian,c=main,b=amd64\nPinned packages:\n";

    const POLICY: &str = "libc6:\n  Installed: 2.36-9\n  Candidate: 2.36-10\n  Version table:\n     2.36-10 500\n        500 http://deb.example.invalid/debian bookworm/main amd64 Packages\n        500 http://deb.example.invalid/debian-security bookworm-security/main amd64 Packages\n *** 2.36-9 100\n        100 /var/lib/dpkg/status\nfoo:i386:\n  Installed: 1\n  Candidate: 1\n  Version table:\n *** 1 500\n        500 http://deb.example.invalid/debian bookworm/main i386 Packages\n        100 /var/lib/dpkg/status\n";

    #[test]
    fn candidates_and_their_releases() {
        let releases = releases(RELEASES);
        let policies = policies(POLICY);
        let libc = &policies["libc6"];
        assert_eq!(libc.candidate, "2.36-10");
        assert!(!libc.offered.contains_key("2.36-9"));
        let release = libc.release("2.36-10", &releases).expect("known");
        assert_eq!(
            (
                release.origin.as_str(),
                release.suite.as_str(),
                release.label.as_str()
            ),
            ("Debian", "bookworm-security", "Debian-Security")
        );
        assert_eq!(policies["foo:i386"].offered["1"].len(), 1);
    }
}
