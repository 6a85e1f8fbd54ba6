//! Packages of registries and of AlmaLinux, named by package URLs.

use super::{Bench, Score};
use anyhow::{Context, Result};
use serde::Deserialize;
use std::collections::BTreeSet;

/// Package URL and advisory.
type Found = BTreeSet<(String, String)>;

#[derive(Deserialize)]
struct Case {
    ecosystem: String,
    name: String,
    version: String,
    expected: Vec<String>,
}

#[derive(Deserialize)]
struct Lock {
    packages: Vec<(String, String)>,
    expected_vulnerabilities: Vec<(String, String, String)>,
    expected_informational: Vec<(String, String, String)>,
}

#[derive(Deserialize)]
struct Label {
    cve: String,
    label: String,
    package: String,
    version: String,
}

/// Judges all of them.
pub(super) fn judge(bench: &Bench) -> Result<Vec<Score>> {
    let mut scores = Vec::new();
    for name in ["almalinux", "npm", "pypi"] {
        scores.push(cases(bench, name)?);
    }
    for name in ["firezone", "neon", "quickwit"] {
        scores.extend(lock(bench, name)?);
    }
    scores.push(labels(bench)?);
    Ok(scores)
}

fn cases(bench: &Bench, name: &str) -> Result<Score> {
    let text = bench.fixture(&format!("match/{name}.jsonl"))?;
    let mut purls = Vec::new();
    let mut expected = Found::new();
    for line in text.lines() {
        let case: Case = serde_json::from_str(line).context("a case")?;
        let purl = purl(&case.ecosystem, &case.name, &case.version);
        expected.extend(case.expected.into_iter().map(|id| (purl.clone(), id)));
        purls.push(purl);
    }
    let found = ask(bench, &purls, &[])?;
    Ok(Score::of(name, &expected, &found))
}

/// A Cargo.lock; cargo-audit's `yanked` is the registry's word, not the database's.
fn lock(bench: &Bench, name: &str) -> Result<[Score; 2]> {
    let text = bench.fixture(&format!("match/crates-{name}.json"))?;
    let lock: Lock = serde_json::from_str(&text)?;
    let purls: Vec<_> = lock
        .packages
        .iter()
        .map(|(name, version)| purl("crates.io", name, version))
        .collect();
    let pairs = |rows: Vec<(String, String, String)>| -> Found {
        rows.into_iter()
            .filter(|(_, _, id)| id != "yanked")
            .map(|(name, version, id)| (purl("crates.io", &name, &version), id))
            .collect()
    };
    let expected = pairs(lock.expected_vulnerabilities);
    let found = ask(bench, &purls, &[])?;
    let informational = pairs(lock.expected_informational);
    let all = ask(bench, &purls, &["--informational"])?;
    let told: Found = all.difference(&found).cloned().collect();
    Ok([
        Score::of(format!("crates-{name}"), &expected, &found),
        Score::of(
            format!("crates-{name} informational"),
            &informational,
            &told,
        ),
    ])
}

/// People's labels of an AlmaLinux image. Only those of a CVE that the feed has an advisory for in that package say something about
/// matching; of what people call false, nothing may be found.
fn labels(bench: &Bench) -> Result<Score> {
    let text = bench.fixture("match/anchore-almalinux.jsonl")?;
    let mut labels: Vec<Label> = text
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    // Six are of Python's package `rpm` in the image, not of an rpm.
    labels.retain(|label| label.version.contains(".el8"));
    let labelled = |label: &Label| purl("AlmaLinux:8", &label.package, &label.version);
    let purls: Vec<_> = labels.iter().map(labelled).collect();
    let found = ask(bench, &purls, &["--cves"])?;
    // The lowest version has everything that the feed says of a package.
    let oldest: Vec<_> = labels
        .iter()
        .map(|label| purl("AlmaLinux:8", &label.package, "0"))
        .collect();
    let known = ask(bench, &oldest, &["--cves"])?;
    let mut expected = Found::new();
    let mut judged = Found::new();
    for label in &labels {
        let pair = (labelled(label), label.cve.clone());
        let is_known =
            known.contains(&(purl("AlmaLinux:8", &label.package, "0"), label.cve.clone()));
        if label.label == "TP" && is_known {
            expected.insert(pair.clone());
        }
        if label.label != "??" && found.contains(&pair) {
            judged.insert(pair);
        }
    }
    Ok(Score::of("anchore labels, AlmaLinux 8", &expected, &judged))
}

fn ask(bench: &Bench, purls: &[String], arguments: &[&str]) -> Result<Found> {
    let mut all = vec!["--purls", "-"];
    all.extend(arguments);
    let printed = bench.matches(&bench.other_pack, &all, &purls.join("\n"))?;
    Ok(printed
        .lines()
        .filter_map(|line| {
            let mut columns = line.split('\t');
            Some((columns.next()?.to_owned(), columns.next()?.to_owned()))
        })
        .collect())
}

/// The package URL of a package as OSV names its ecosystem.
fn purl(ecosystem: &str, name: &str, version: &str) -> String {
    let version = escape(version);
    if let Some(release) = ecosystem.strip_prefix("AlmaLinux:") {
        return format!(
            "pkg:rpm/almalinux/{}@{version}?distro=almalinux-{release}",
            escape(name)
        );
    }
    let kind = match ecosystem {
        "PyPI" => "pypi",
        "crates.io" => "cargo",
        other => other,
    };
    match name.split_once('/') {
        Some((scope, name)) => format!("pkg:{kind}/{}/{}@{version}", escape(scope), escape(name)),
        None => format!("pkg:{kind}/{}@{version}", escape(name)),
    }
}

fn escape(text: &str) -> String {
    text.bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || b".-_~:".contains(&byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}
