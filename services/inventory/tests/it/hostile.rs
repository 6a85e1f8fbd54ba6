//! Broken input: the committed corpus, and valid records with every part replaced. Nothing panics, nothing is without a limit.

use crate::matching::{bytes, data};
use netpatch_inventory::domain::affected::Release;
use netpatch_inventory::domain::alpine_secdb::{gather, read_repository};
use netpatch_inventory::domain::dpkg::{MAX_LINE_BYTES, Paragraph, StatusReader};
use netpatch_inventory::domain::enrich::Enrichment;
use netpatch_inventory::domain::index::MatchIndex;
use netpatch_inventory::domain::lines::{for_each_line, parse_lines};
use netpatch_inventory::domain::merge::single;
use netpatch_inventory::domain::node_security;
use netpatch_inventory::domain::osv::read_record;
use netpatch_inventory::domain::rustsec;
use netpatch_inventory::domain::subject::Aliases;
use netpatch_inventory::pack::PackFileError;
use netpatch_inventory::pack::offline::Offline;
use netpatch_types::{ComponentKey, Ecosystem, Purl};
use serde_json::{Value, json};
use std::path::PathBuf;

fn corpus(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(data(&format!("hostile/{folder}"))).expect("the corpus");
    let mut all: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    all.sort();
    assert!(!all.is_empty());
    all
}

fn status(bytes: &[u8]) -> Vec<Paragraph> {
    let mut reader = StatusReader::new(Release::os(Ecosystem::Deb, "debian", "bookworm"));
    let mut all = Vec::new();
    for_each_line(bytes, MAX_LINE_BYTES, |_, line| {
        all.extend(reader.line(line))
    })
    .expect("memory");
    all.extend(reader.finish());
    all
}

/// Gives a line to every reader, and what is read to the index.
fn read(line: &str) {
    let mut records: Vec<_> = [
        read_record(line, |_| true),
        node_security::read_record(line),
        rustsec::read_record(line),
    ]
    .into_iter()
    .flatten()
    .map(|record| single("test", record, &Enrichment::default()))
    .collect();
    if let Ok(repository) = read_repository(line) {
        records.extend(gather("test", vec![repository], &Enrichment::default()));
    }
    let index = MatchIndex::build(Aliases::default(), (0..).zip(&records));
    let affected = records.iter().flat_map(|record| &record.affected);
    for entry in affected.take(3) {
        for version in ["0", "1", "99999", "odd version", ""] {
            let _ = index.affected(&ComponentKey {
                ecosystem: entry.release.ecosystem,
                distribution: entry.release.distribution.clone(),
                release: entry.release.codename.clone(),
                name: entry.name.clone(),
                version: version.into(),
                arch: String::new(),
                source: entry.name.clone(),
                source_version: version.into(),
            });
        }
    }
}

#[test]
fn broken_status_files_are_told_and_the_good_package_is_found() {
    for path in corpus("status") {
        let name = path
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let all = status(&bytes(&path));
        let is_good = |one: &Paragraph| matches!(one, Ok(Some(found)) if found.name == "good");
        let has_none = ["empty", "only-ends", "binary"].contains(&name.as_str());
        assert_eq!(all.iter().any(is_good), !has_none, "{name}: {all:?}");
        if name.starts_with("no-") || name.starts_with("long-") || name.starts_with("not-") {
            assert!(all.iter().any(Result::is_err), "{name}");
        }
    }
}

#[test]
fn broken_records_are_refused_or_harmless() {
    for path in corpus("records") {
        let text = bytes(&path);
        let parsed = parse_lines(text.as_slice(), |line| {
            read(line);
            Ok(())
        });
        assert!(parsed.is_ok(), "{}", path.display());
    }
}

#[test]
fn broken_package_urls_are_refused_or_harmless() {
    for path in corpus("purls") {
        for line in String::from_utf8_lossy(&bytes(&path)).lines() {
            if let Ok(purl) = line.parse::<Purl>() {
                let _ = ComponentKey::from_purl(&purl).map(|component| component.purl());
            }
        }
    }
}

/// All values of a record, by JSON pointer.
fn pointers(value: &Value, at: &str, all: &mut Vec<String>) {
    all.push(at.to_owned());
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                pointers(
                    value,
                    &format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")),
                    all,
                );
            }
        }
        Value::Array(list) => {
            for (number, value) in list.iter().enumerate() {
                pointers(value, &format!("{at}/{number}"), all);
            }
        }
        _ => {}
    }
}

#[test]
fn any_part_of_a_record_may_be_of_any_type() {
    let records = [
        json!({"id": "X-1", "published": "2026-01-01T00:00:00Z", "aliases": ["CVE-2026-10000"], "summary": "s",
            "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
            "affected": [{"package": {"ecosystem": "AlmaLinux:9", "name": "a"}, "versions": ["1"], "severity": [],
                "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1-1.el9"}]}]}],
            "references": [{"type": "WEB", "url": "u"}], "database_specific": {"epss": {"score": 0.5}, "kev": {"ransomware": "Known"}}}),
        json!({"id": 1, "title": "t", "module_name": "a", "publish_date": "2026-01-01", "cves": ["CVE-2026-10000"],
            "vulnerable_versions": "<1", "cvss_vector": "v"}),
        json!({"advisory": {"id": "R", "package": "a", "aliases": ["CVE-2026-10000"], "date": "2026-01-01", "cvss": "v", "url": "u",
            "informational": "i", "withdrawn": "w"}, "versions": {"patched": ["^1"], "unaffected": ["<0.1"]}, "_title": "t"}),
        json!({"distroversion": "v3.11", "packages": [{"pkg": {"name": "a", "secfixes": {"1-r0": ["CVE-2026-10000"]}}}]}),
    ];
    let others = [
        Value::Null,
        json!(true),
        json!(-1),
        json!(1e308),
        json!(""),
        json!("\u{0}\u{1f}é\u{202e}"),
        json!("9".repeat(2_000)),
        json!([]),
        json!({}),
        json!([[[[]]]]),
        json!([null, 1, "a", {}]),
    ];
    for record in records {
        let mut all = Vec::new();
        pointers(&record, "", &mut all);
        for pointer in all {
            for other in &others {
                let mut broken = record.clone();
                *broken.pointer_mut(&pointer).expect("there") = other.clone();
                read(&broken.to_string());
            }
        }
    }
}

#[test]
fn a_bomb_and_a_torn_file_are_refused_by_name() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("npm/nodejs-security-wg.jsonl.zst");
    std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
    let load = || {
        let pack = Offline::open(dir.path(), false).expect("a folder");
        pack.load("npm").map(|matcher| matcher.is_some())
    };
    std::fs::copy(data("hostile/bomb.zst"), &file).expect("copied");
    assert!(matches!(load(), Err(PackFileError::TooLarge { path }) if path.starts_with("npm/")));
    let whole = std::fs::read(data("pack/npm/nodejs-security-wg.jsonl.zst")).expect("the feed");
    std::fs::write(&file, &whole[..whole.len() / 2]).expect("written");
    assert!(matches!(load(), Err(PackFileError::Read { .. })));
    std::fs::write(&file, b"no zstd at all").expect("written");
    assert!(matches!(load(), Err(PackFileError::Read { .. })));
    std::fs::write(&file, &whole).expect("written");
    assert!(matches!(load(), Ok(true)));
    std::fs::write(
        dir.path().join("SHA256SUMS"),
        format!("{}  ./npm/nodejs-security-wg.jsonl.zst\n", "0".repeat(64)),
    )
    .expect("written");
    assert!(matches!(load(), Err(PackFileError::Digest { .. })));
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_a_status_file_or_a_feed(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..600)) {
        let _ = status(&bytes);
        let _ = parse_lines(bytes.as_slice(), |line| { read(line); Ok(()) });
    }
}

/// A CSAF document of everything that a reader looks at.
fn csaf() -> Value {
    serde_json::from_slice(&bytes(&data("csaf/redhat-vex.json"))).expect("json")
}

fn document(text: &str) {
    if let Ok(document) = netpatch_inventory::domain::csaf::read_document(text) {
        let all = netpatch_inventory::domain::csaf::gather(
            "test",
            vec![document],
            &Enrichment::default(),
        );
        let _ = MatchIndex::build(Aliases::default(), (0..).zip(&all));
    }
}

/// Gives a text to every reader of whole documents.
fn whole(text: &str) {
    use netpatch_inventory::domain::{debian_tracker, enrich, msrc, nvd, ssvc};
    document(text);
    let _ = ssvc::read_record(text);
    let _ = enrich::parse_kev(text);
    let _ = enrich::parse_epss(text);
    if let Ok(read) = msrc::read_document(text) {
        let _ = msrc::gather("test", read.records.records, &Enrichment::default());
    }
    let _ = nvd::read(text);
    let entries = debian_tracker::read_list(text).records;
    let _ = debian_tracker::gather("test", entries.clone(), entries, &Enrichment::default());
}

#[test]
fn broken_documents_are_refused_or_harmless() {
    for path in corpus("documents") {
        whole(&String::from_utf8_lossy(&bytes(&path)));
    }
}

#[test]
fn any_part_of_a_document_may_be_of_any_type() {
    let kev = json!({"dateReleased": "2026-01-01T00:00:00Z", "vulnerabilities": [{"cveID": "CVE-2026-10000",
        "vulnerabilityName": "n", "knownRansomwareCampaignUse": "Known", "dateAdded": "2026-01-01", "dueDate": "2026-01-22"}]});
    let ssvc = json!({"cveMetadata": {"cveId": "CVE-2026-10000", "state": "PUBLISHED", "dateUpdated": "2026-01-01T00:00:00Z"},
        "containers": {"adp": [{"providerMetadata": {"shortName": "CISA-ADP"}, "metrics": [{"other": {"type": "ssvc", "content":
            {"timestamp": "2026-01-01T00:00:00Z", "options": [{"Exploitation": "none"}, {"Automatable": "no"}, {"Technical Impact": "partial"}]}}}]}]}});
    let nvd = json!({"vulnerabilities": [{"cve": {"id": "CVE-2026-10000", "descriptions": [{"lang": "en", "value": "d"}],
        "metrics": {"cvssMetricV31": [{"cvssData": {"vectorString": "v"}}]}, "configurations": [{"nodes": [{"operator": "OR", "negate": false,
            "cpeMatch": [{"vulnerable": true, "criteria": "cpe:2.3:a:v:p:1:*:*:*:*:*:*:*", "versionEndExcluding": "2"}]}]}]}}]});
    let others = [
        Value::Null,
        json!(true),
        json!(-1),
        json!(""),
        json!("\u{0}é"),
        json!([]),
        json!({}),
        json!([null, 1, "a", {}]),
    ];
    for record in [kev, ssvc, nvd, csaf()] {
        let mut all = Vec::new();
        pointers(&record, "", &mut all);
        for pointer in all {
            for other in &others {
                let mut broken = record.clone();
                *broken.pointer_mut(&pointer).expect("there") = other.clone();
                whole(&broken.to_string());
            }
        }
    }
}

#[test]
fn cycles_and_great_trees_end() {
    use netpatch_inventory::domain::csaf::read_document;
    let with = |tree: Value| {
        json!({"document": {"csaf_version": "2.0", "category": "csaf_vex", "tracking": {"id": "x"}}, "product_tree": tree,
            "vulnerabilities": []})
        .to_string()
    };
    let relation = |id: String, part: String, on: String| {
        json!({"category": "installed_on", "full_product_name": {"product_id": id, "name": "n"},
            "product_reference": part, "relates_to_product_reference": on})
    };
    let name = |n: usize| format!("p{n}");
    // A ring, and a product that is a part of itself.
    for size in [1, 2, 1_000] {
        let ring: Vec<_> = (0..size)
            .map(|n| relation(name(n), name((n + 1) % size), "os".to_owned()))
            .collect();
        let tree = json!({"full_product_names": [{"product_id": "os", "name": "os"}], "relationships": ring});
        let refused = read_document(&with(tree)).expect_err("a ring");
        assert!(
            refused.contains("6.1.3") || refused.contains("deeper than"),
            "{refused}"
        );
    }
    // A ladder on which every rung stands twice on the next: two to the power of thirty ways.
    let ladder: Vec<_> = (0..30)
        .map(|n| relation(name(n), name(n + 1), name(n + 1)))
        .collect();
    let tree = json!({"full_product_names": [{"product_id": name(30), "name": "os"}], "relationships": ladder});
    let text = with(tree).replace(
        "\"vulnerabilities\":[]",
        "\"vulnerabilities\":[{\"cve\":\"CVE-2026-10000\",\"product_status\":{\"fixed\":[\"p0\"]}}]",
    );
    assert!(read_document(&text).is_ok());
    // A chain that is longer than any real one.
    let chain: Vec<_> = (0..100_000)
        .map(|n| relation(name(n), name(n + 1), "os".to_owned()))
        .collect();
    let tree = json!({"full_product_names": [{"product_id": "os", "name": "os"}, {"product_id": name(100_000), "name": "n"}],
        "relationships": chain});
    assert!(read_document(&with(tree)).is_err());
    // More products than are read.
    let many: Vec<_> = (0..250_001)
        .map(|n| json!({"product_id": name(n), "name": "n"}))
        .collect();
    let refused = read_document(&with(json!({"full_product_names": many}))).expect_err("too many");
    assert!(refused.contains("more than 250000 products"), "{refused}");
    // Branches in branches, more than a reader of JSON takes.
    let deep = format!("{}{}", "{\"branches\":[".repeat(5_000), "]}".repeat(5_000));
    assert!(read_document(&format!("{{\"product_tree\":{deep}}}")).is_err());
}
