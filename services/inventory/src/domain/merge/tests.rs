use super::*;
use netpatch_types::{Ecosystem, Sha256};

fn below(source: &str, fixed: &str) -> Affected {
    Affected::below(
        Release::os(Ecosystem::Deb, "debian", "bookworm"),
        source,
        fixed,
    )
}

fn merge(
    notices: Vec<OsvRecord>,
    cves: Vec<OsvRecord>,
    uploads: Vec<OsvRecord>,
    enrichment: &Enrichment,
) -> Vec<AdvisoryRecord> {
    let mut merger = Merger::new("debian", enrichment);
    cves.into_iter().for_each(|record| merger.cve(record));
    notices.into_iter().for_each(|record| merger.notice(record));
    uploads.into_iter().for_each(|record| merger.upload(record));
    merger.finish().collect()
}

fn record(id: &str, cves: &[&str], source: &str, fixed: &str) -> OsvRecord {
    OsvRecord {
        id: id.into(),
        digest: Sha256::of(id.as_bytes()),
        published_at: None,
        cves: cves.iter().map(|cve| (*cve).to_owned()).collect(),
        summary: format!("{source} - security update"),
        cvss_vectors: Vec::new(),
        withdrawn: false,
        informational: None,
        affected: vec![below(source, fixed)],
        url: None,
        vendor_refs: Vec::new(),
        epss: None,
        kev: None,
    }
}

#[test]
fn a_notice_becomes_a_reference_and_its_regression_fix_does_not_move_the_fix() {
    let merged = merge(
        vec![
            record("DSA-1-1", &["CVE-2026-1001"], "curl", "1-1"),
            record("DSA-1-2", &["CVE-2026-1001"], "curl", "1-2"),
        ],
        vec![record("x-1", &["CVE-2026-1001"], "curl", "1-1")],
        vec![record("upload-curl-1-1", &["CVE-2026-1001"], "curl", "1-1")],
        &Enrichment::default(),
    );
    assert_eq!(merged.len(), 1);
    assert_eq!(merged[0].vendor_refs, ["DSA-1-1", "DSA-1-2"]);
    assert_eq!(merged[0].affected, [below("curl", "1-1")]);
}

#[test]
fn an_update_without_a_known_cve_is_an_advisory_of_its_own() {
    let merged = merge(
        vec![record("DSA-2-1", &[], "tor", "2-1")],
        Vec::new(),
        vec![record("upload-less", &["CVE-2026-1002"], "less", "590")],
        &Enrichment::default(),
    );
    assert_eq!(
        merged.iter().map(|a| a.name.as_str()).collect::<Vec<_>>(),
        ["DSA-2-1", "upload-less"]
    );
    assert_eq!(merged[0].vendor_refs, ["DSA-2-1"]);
    assert_eq!(merged[1].cves, ["CVE-2026-1002"]);
}

#[test]
fn enrichment_takes_the_worst() {
    let mut enrichment = Enrichment::default();
    enrichment.epss.insert("CVE-2026-1001".into(), 0.4);
    enrichment
        .cvss
        .insert("CVE-2026-1001".into(), (5.0, "v".into()));
    let mut one = record("x-1", &["CVE-2026-1001"], "curl", "1-1");
    one.kev = Some(RecordKev {
        cvss3_base: Some(9.8),
        ransomware: "Known".into(),
    });
    let merged = merge(Vec::new(), vec![one.clone()], Vec::new(), &enrichment);
    assert_eq!(merged[0].cvss_score, Some(5.0));
    assert_eq!(merged[0].cvss_vector.as_deref(), Some("v"));
    assert_eq!(merged[0].epss, Some(0.4));
    assert!(merged[0].kev && merged[0].ransomware);
    // The database of last resort counts where no other has a vector, and a record's bare number where nobody has.
    enrichment
        .last_resort_cvss
        .insert("CVE-2026-1001".into(), (7.1, "w".into()));
    let merged = merge(Vec::new(), vec![one.clone()], Vec::new(), &enrichment);
    assert_eq!(merged[0].cvss_score, Some(5.0));
    enrichment.cvss.clear();
    let merged = merge(Vec::new(), vec![one.clone()], Vec::new(), &enrichment);
    assert_eq!(merged[0].cvss_score, Some(7.1));
    enrichment.last_resort_cvss.clear();
    let merged = merge(Vec::new(), vec![one], Vec::new(), &enrichment);
    assert_eq!(
        (merged[0].cvss_score, &merged[0].cvss_vector),
        (Some(9.8), &None)
    );
}

#[test]
fn an_advisory_is_withdrawn_when_all_of_its_cves_were_taken_back() {
    let mut enrichment = Enrichment::default();
    enrichment.rejected.insert("CVE-2026-1001".into());
    let cves = vec![
        record("x-1", &["CVE-2026-1001"], "curl", "1-1"),
        record("x-2", &["CVE-2026-1002"], "curl", "1-1"),
    ];
    let merged = merge(Vec::new(), cves, Vec::new(), &enrichment);
    let withdrawn: Vec<_> = merged.iter().map(|one| one.withdrawn).collect();
    assert_eq!(withdrawn, [true, false]);
    let both = record("ALSA-1", &["CVE-2026-1001", "CVE-2026-1002"], "curl", "1-1");
    assert!(!single("almalinux", both, &enrichment).withdrawn);
}

#[test]
fn a_name_that_a_feed_has_twice_is_one_advisory() {
    let single = |record| single("almalinux", record, &Enrichment::default());
    let first = record("ALSA-1", &["CVE-2026-1"], "openssl", "2");
    let again = OsvRecord {
        digest: Sha256::of(b"again"),
        ..record("ALSA-1", &["CVE-2026-2", "CVE-2026-1"], "curl", "3")
    };
    let back = OsvRecord {
        withdrawn: true,
        ..record("ALSA-1", &["CVE-2026-3"], "bash", "4")
    };
    let other = record("ALSA-2", &[], "bash", "5");
    let records = vec![
        first.clone(),
        back.clone(),
        again,
        other.clone(),
        first.clone(),
    ];
    let all = unique(records.into_iter().map(single).collect());
    assert_eq!(all.len(), 2);
    assert_eq!(all[0].cves, ["CVE-2026-1", "CVE-2026-2"]);
    assert_eq!(all[0].affected, [below("curl", "3"), below("openssl", "2")]);
    assert_eq!(all[0].record_digest, first.digest);
    assert_eq!(all[1], single(other));
    // One that was taken back does not speak for one that stands.
    let all = unique(vec![single(back), single(first.clone())]);
    assert_eq!(all, [single(first)]);
}
