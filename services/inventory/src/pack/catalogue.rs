//! Which feeds there are: by which files of a pack each is known, under what licence it stands, and what it does not say.

use super::DEBIAN;
use super::feeds::OTHERS;

/// Debian's security tracker, as its raw lists.
pub(super) const DEBIAN_TRACKER: &str = "debian-tracker";
/// Microsoft's security updates.
pub(super) const MSRC: &str = "msrc";
/// The National Vulnerability Database.
pub(super) const NVD: &str = crate::domain::index::LAST_RESORT;

/// Folders of a pack that hold feeds, beside those of [`OTHERS`].
pub(super) const FOLDERS: [&str; 7] = [
    DEBIAN,
    DEBIAN_TRACKER,
    "enrich",
    "osv",
    "csaf",
    "microsoft",
    NVD,
];

/// The feed that a file of a pack belongs to, by its path without `.zst`; `None` for one that is no feed's.
#[must_use]
pub fn feed_of(path: &str) -> Option<String> {
    let (folder, file) = path.split_once('/')?;
    if file.contains(['/', '\\']) || file.starts_with('.') {
        return None;
    }
    let is = |start: &str, end: &str| file.starts_with(start) && file.ends_with(end);
    let own = |is_its: bool, feed: &str| is_its.then(|| feed.to_owned());
    match folder {
        DEBIAN => own(
            matches!(
                file,
                "advisories.osv.jsonl"
                    | "cves.osv.jsonl"
                    | "uploads.osv.jsonl"
                    | "source-aliases.tsv"
            ),
            DEBIAN,
        ),
        DEBIAN_TRACKER => own(
            matches!(file, "CVE.list" | "DSA.list" | "DLA.list"),
            DEBIAN_TRACKER,
        ),
        "enrich" => own(is("kev-", ".json"), "kev")
            .or_else(|| own(is("epss-", ".csv"), "epss"))
            .or_else(|| own(is("ssvc-", ".jsonl"), "ssvc"))
            .or_else(|| own(file == "cvss.csv", "cvss")),
        "osv" | "csaf" => {
            let name = file.strip_suffix(".jsonl")?;
            is_feed_name(name).then(|| format!("{folder}-{name}"))
        }
        "microsoft" => own(is("cvrfDocument-", ".xml"), MSRC),
        NVD => own(file.ends_with(".json"), NVD),
        _ => {
            let feed = OTHERS.iter().find(|feed| feed.name == folder)?;
            own(feed.has_file(file), feed.name)
        }
    }
}

/// Whether all files of the feed count, or only the one whose name sorts last (names carry dates).
#[must_use]
pub(crate) fn has_many_files(feed: &str) -> bool {
    matches!(feed, DEBIAN | DEBIAN_TRACKER | MSRC | NVD)
}

/// Whether a file's name can be a feed's: `redhat`, `ubuntu-pro`.
fn is_feed_name(name: &str) -> bool {
    (1..=40).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// Licence and limits of a feed.
#[must_use]
pub fn about(feed: &str) -> (&'static str, &'static str) {
    match feed {
        _ if feed.starts_with("csaf-") => (
            "CSAF 2.x with VEX, the provider's own terms",
            "per CVE; module streams of one release count as one, the first fix closes; streams with extended support are releases of their own",
        ),
        _ if feed.starts_with("osv-") => (
            "OSV, each database's own licence: https://google.github.io/osv.dev/data/",
            "only packages of ecosystems that are known here",
        ),
        MSRC => (
            "Microsoft Security Response Center (CVRF), © Microsoft, published for use through its API",
            "only products with a fixed build; a KB without a build is told by supersedence alone",
        ),
        NVD => (
            "NIST National Vulnerability Database, public domain; this product uses NVD data but is not endorsed by NIST",
            "last resort: counts only where no vendor's feed speaks; by CPE name, so backported fixes are not known",
        ),
        DEBIAN_TRACKER => (
            "Debian security tracker (CVE, DSA, DLA lists; reuse endorsed by the Debian security team)",
            "versions of unstable are left out; end of security support per source is not in the lists",
        ),
        "ssvc" => (
            "CISA Vulnrichment (SSVC decision points), CC0-1.0",
            "only CVEs that CISA has looked at; none of most CVEs before 2024",
        ),
        "kev" => (
            "CISA Known Exploited Vulnerabilities catalogue, CC0-1.0",
            "exploitation that CISA has not confirmed is absent",
        ),
        "epss" => (
            "FIRST EPSS, free use with citation: https://www.first.org/epss",
            "CVEs published after its date have no score",
        ),
        "almalinux" => (
            "AlmaLinux OSV database (ALSA, ALBA, ALEA), MIT",
            "module streams are not in the records: a package of another stream of the same module may be named",
        ),
        "alpine" => (
            "Alpine security database, facts",
            "to June 2020, releases 3.3 to 3.11",
        ),
        "crates" => (
            "RustSec advisory database, CC0-1.0 (a few records CC-BY-4.0)",
            "unmaintained and unsound crates open no finding",
        ),
        "npm" => (
            "Node.js security working group, MIT",
            "to 2020; the registry's later advisories are absent",
        ),
        "pypi" => ("PyPA advisory database, CC-BY-4.0", "to 2024-10-10"),
        "cvss" => (
            "CVE records (CVE Program terms, © The MITRE Corporation), bitnami/vulndb (Apache-2.0), RustSec (CC0-1.0), PyPA (CC-BY-4.0)",
            "covers about one in ten of Debian's CVEs; most CVEs of 2026 have no vector",
        ),
        _ => (
            "Debian security tracker (DSA, DLA; reuse endorsed by the Debian security team) and Debian changelogs",
            "only fixed vulnerabilities: no unfixed, no-dsa or not-affected entries, no end of security support per source",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_one_feeds_or_nobodys() {
        for (path, feed) in [
            ("debian-bookworm/cves.osv.jsonl", Some("debian-bookworm")),
            ("enrich/kev-2026.08.07.json", Some("kev")),
            ("enrich/epss-2026-08-16.csv", Some("epss")),
            ("enrich/cvss.csv", Some("cvss")),
            ("almalinux/advisories.osv.jsonl", Some("almalinux")),
            ("osv/ubuntu.jsonl", Some("osv-ubuntu")),
            ("csaf/redhat.jsonl", Some("csaf-redhat")),
            ("microsoft/cvrfDocument-2026-Mar.xml", Some("msrc")),
            ("nvd/2026.json", Some("nvd")),
            ("osv/../x.jsonl", None),
            ("osv/.jsonl", None),
            ("README.md", None),
            ("debian-bookworm/raw/DSA.list", None),
        ] {
            assert_eq!(feed_of(path).as_deref(), feed, "{path}");
        }
    }
}
