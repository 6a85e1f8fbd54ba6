//! Importing: what changes, what is refused, what stays.

use crate::world::{World, bundled_pack, component, cve_records, osv, write_pack};
use netpatch_inventory_api::*;
use netpatch_types::{Clock as _, ErrorCode, Severity};

#[tokio::test]
async fn the_bundled_pack_is_imported_with_licence_and_limits() {
    let world = World::direct().await;
    let feeds = world.import_from(&bundled_pack()).await;
    assert_eq!(
        feeds
            .iter()
            .map(|feed| feed.name.as_str())
            .collect::<Vec<_>>(),
        ["cvss", "debian-bookworm", "epss", "kev"]
    );
    let debian = &feeds[1];
    assert_eq!((debian.records, debian.skipped), (15_983, 0));
    assert!(
        debian.limits.contains("no unfixed")
            && debian.data_as_of.is_some()
            && debian.imported_at.is_some()
    );
    assert!(
        feeds
            .iter()
            .all(|feed| !feed.licence.is_empty() && feed.problem.is_none()),
        "{feeds:?}"
    );
    assert_eq!(
        world.api.feed_list(&world.ctx, FeedList {}).await,
        Ok(feeds)
    );
    let by = |cve: Option<&str>, vendor: Option<&str>| AdvisoryGet {
        id: None,
        cve: cve.map(Into::into),
        vendor_ref: vendor.map(Into::into),
    };
    let advisory = world
        .api
        .advisory_get(&world.ctx, by(Some("CVE-2012-1823"), None))
        .await
        .expect("known");
    assert!(
        advisory.kev
            && advisory.severity == Severity::Critical
            && advisory.epss.is_some_and(|epss| epss > 0.9)
    );
    let without_cve = world
        .api
        .advisory_get(&world.ctx, by(None, Some("DSA-5460-1")))
        .await
        .expect("known");
    assert_eq!(
        (without_cve.name.as_str(), without_cve.cves.len()),
        ("DSA-5460-1", 0)
    );
    let none = world
        .api
        .advisory_get(&world.ctx, by(Some("CVE-1999-0001"), None))
        .await;
    assert_eq!(none.expect_err("absent").code, ErrorCode::NotFound);
    assert!(
        world
            .api
            .advisory_get(&world.ctx, by(Some("a"), Some("b")))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_new_import_opens_closes_and_rescores_findings_of_known_hosts() {
    for world in World::both().await {
        world.import().await;
        let host = world.host(1, &[]).await;
        let twin = world.host(2, &[]).await;
        for host in [host, twin] {
            world
                .report(
                    host,
                    vec![
                        component("zip", "3.0-13", "zip"),
                        component("less", "590-2", "less"),
                    ],
                )
                .await;
        }
        // zip's record goes, less gets one.
        let mut records = cve_records();
        records[2] = osv("x-CVE-2026-10004", &["CVE-2026-10004"], "less", "590-2.1");
        write_pack(world.pack.path(), &records);
        world.import().await;
        let names: Vec<String> = world
            .findings(FindingFilter::default())
            .await
            .into_iter()
            .map(|f| f.advisory.name)
            .collect();
        assert_eq!(names, ["CVE-2026-10004", "CVE-2026-10004"]);
        assert_eq!(world.get(host).await.open_findings[&Severity::Unknown], 1);

        // The same record becomes known exploited: the finding stays, its severity and risk change.
        let before = world
            .findings(FindingFilter {
                host: Some(host),
                ..FindingFilter::default()
            })
            .await;
        std::fs::write(
            world.pack.path().join("enrich/kev-2026.01.11.json"),
            r#"{"vulnerabilities":[{"cveID":"CVE-2026-10004"}]}"#,
        )
        .expect("file");
        world.import().await;
        let after = world
            .findings(FindingFilter {
                host: Some(host),
                ..FindingFilter::default()
            })
            .await;
        assert_eq!(after[0].id, before[0].id);
        assert!(after[0].risk.score > before[0].risk.score + 49.0);
        assert_eq!(world.get(host).await.open_findings[&Severity::Critical], 1);
        assert_eq!(
            world
                .findings(FindingFilter {
                    kev: Some(true),
                    ..FindingFilter::default()
                })
                .await
                .len(),
            2
        );
    }
}

#[tokio::test]
async fn broken_records_are_skipped_counted_and_explained() {
    let world = World::direct().await;
    let mut records: Vec<String> = (0..100)
        .map(|n| osv(&format!("x-{n}"), &[&format!("CVE-2026-2{n:04}")], "a", "2"))
        .collect();
    records.push("{\"id\": \"x\", ".to_owned());
    records.push(osv("x-bad", &["CVE-2026-30000"], "a", "1 2"));
    write_pack(world.pack.path(), &records);
    let feeds = world
        .import_from(world.pack.path().to_str().expect("text"))
        .await;
    let debian = feeds
        .iter()
        .find(|feed| feed.name == "debian-bookworm")
        .expect("feed");
    assert_eq!((debian.records, debian.skipped), (102, 2));
    assert!(
        debian
            .problem
            .as_deref()
            .is_some_and(|why| why.starts_with("cves.osv.jsonl line 101: not an OSV record")),
        "{debian:?}"
    );
}

#[tokio::test]
async fn a_feed_that_shrank_or_broke_is_refused_and_the_last_good_one_stays() {
    for world in World::both().await {
        world.import().await;
        let host = world.host(1, &[]).await;
        world
            .report(host, vec![component("curl", "7.88.1-10+deb12u1", "curl")])
            .await;
        let refused = async |why: &str| {
            let request = FeedImport {
                pack_dir: world.pack.path().display().to_string(),
            };
            let error = world
                .api
                .feed_import(&world.ctx, request)
                .await
                .expect_err("refused");
            assert_eq!(error.code, ErrorCode::BadUserInput);
            assert!(error.message.contains(why), "{}", error.message);
            world.inventory.reevaluate().await.expect("nothing to do");
            assert_eq!(world.findings(FindingFilter::default()).await.len(), 2);
        };
        write_pack(world.pack.path(), &cve_records()[..1]);
        refused("shrank from 5 to 3").await;
        let waiting = status(&world, "debian-bookworm").await;
        assert!(
            waiting
                .waiting_for
                .is_some_and(|why| why.contains("shrank"))
        );
        let feeds = world
            .api
            .feed_list(&world.ctx, FeedList {})
            .await
            .expect("feeds");
        let debian = feeds
            .iter()
            .find(|feed| feed.name == "debian-bookworm")
            .expect("feed");
        assert_eq!(debian.records, 5);
        assert!(
            debian
                .problem
                .as_deref()
                .is_some_and(|why| why.starts_with("import refused: "))
        );

        let mut rubbish = cve_records();
        rubbish.extend(["{".to_owned(), "[]".to_owned()]);
        write_pack(world.pack.path(), &rubbish);
        refused("2 broken of 7 records").await;

        write_pack(world.pack.path(), &cve_records());
        std::fs::write(
            world.pack.path().join("SHA256SUMS"),
            format!("{}  ./debian-bookworm/cves.osv.jsonl\n", "0".repeat(64)),
        )
        .expect("file");
        refused("does not have the digest").await;
        // What the sums name must be there; what nobody names may be absent: the feed that is held stays.
        std::fs::remove_file(world.pack.path().join("enrich/cvss.csv")).expect("removed");
        std::fs::write(
            world.pack.path().join("SHA256SUMS"),
            format!("{}  ./enrich/cvss.csv\n", "0".repeat(64)),
        )
        .expect("file");
        refused("the pack has no enrich/cvss.csv").await;
        std::fs::remove_file(world.pack.path().join("SHA256SUMS")).expect("removed");
        world.import().await;
        let scored = |finding: &Finding| finding.advisory.cvss_score.is_some();
        assert!(
            world
                .findings(FindingFilter::default())
                .await
                .iter()
                .any(scored)
        );
        // Of a feed of several files none may be absent.
        std::fs::remove_file(world.pack.path().join("debian-bookworm/cves.osv.jsonl"))
            .expect("removed");
        refused("the pack has no debian-bookworm/cves.osv.jsonl").await;
    }
}

async fn status(world: &World, name: &str) -> FeedStatus {
    let feeds = world.api.feed_list(&world.ctx, FeedList {}).await;
    let feeds = feeds.expect("feeds");
    feeds
        .into_iter()
        .find(|feed| feed.name == name)
        .expect("the feed")
}

#[tokio::test]
async fn the_job_matches_known_hosts_after_an_import() {
    let world = World::direct().await;
    let host = world.host(1, &[]).await;
    world
        .report(host, vec![component("curl", "7.88.1-10+deb12u1", "curl")])
        .await;
    let stop = tokio_util::sync::CancellationToken::new();
    let job = tokio::spawn({
        let (inventory, stop) = (world.inventory.clone(), stop.clone());
        async move { inventory.run(None, stop).await }
    });
    let request = FeedImport {
        pack_dir: world.pack.path().display().to_string(),
    };
    world
        .api
        .feed_import(&world.ctx, request)
        .await
        .expect("import");
    netpatch_testkit::poll_until(
        "findings of the host",
        std::time::Duration::from_secs(20),
        async || (world.findings(FindingFilter::default()).await.len() == 2).then_some(()),
    )
    .await;
    assert!(
        world
            .events()
            .await
            .iter()
            .any(|event| matches!(event, InventoryEventV1::HostReported { opened: 2, .. }))
    );
    stop.cancel();
    job.await.expect("stopped");
}

/// A CVE record as Vulnrichment has it, on one line.
fn vulnrichment(cve: &str, state: &str, options: Option<[&str; 3]>) -> String {
    let metrics = options.map_or(serde_json::json!([]), |[exploitation, automatable, impact]| {
        serde_json::json!([{"other": {"type": "ssvc", "content": {"timestamp": "2026-01-05T10:00:00Z", "options": [
            {"Exploitation": exploitation}, {"Automatable": automatable}, {"Technical Impact": impact}]}}}])
    });
    serde_json::json!({"cveMetadata": {"cveId": cve, "state": state, "dateUpdated": "2026-01-06T10:00:00"},
        "containers": {"adp": [{"providerMetadata": {"shortName": "CISA-ADP"}, "metrics": metrics}]}})
    .to_string()
}

#[tokio::test]
async fn what_cisa_says_of_a_cve_is_kept_and_a_rejected_cve_closes_its_findings() {
    for world in World::both().await {
        world.import().await;
        let host = world.host(1, &[]).await;
        let installed = vec![
            component("curl", "7.88.1-10+deb12u1", "curl"),
            component("zip", "3.0-13", "zip"),
        ];
        world.report(host, installed).await;
        assert_eq!(world.findings(FindingFilter::default()).await.len(), 3);
        let lines = [
            vulnrichment(
                "CVE-2026-10001",
                "PUBLISHED",
                Some(["active", "yes", "total"]),
            ),
            vulnrichment("CVE-2026-10003", "REJECTED", None),
        ];
        std::fs::write(
            world.pack.path().join("enrich/ssvc-2026-01-06.jsonl"),
            lines.join("\n"),
        )
        .expect("file");
        world.import().await;
        let open: Vec<Advisory> = world
            .findings(FindingFilter::default())
            .await
            .into_iter()
            .map(|finding| finding.advisory)
            .collect();
        let names: Vec<&str> = open.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["CVE-2026-10001", "CVE-2026-10002"]);
        let ssvc = open[0].ssvc.expect("CISA looked at it");
        assert_eq!(ssvc.exploitation, Exploitation::Active);
        assert!(ssvc.automatable && ssvc.technical_impact == TechnicalImpact::Total);
        let facts = &open[0].cve_facts["CVE-2026-10001"];
        assert!(facts.kev.is_some() && facts.ssvc == Some(ssvc) && !facts.rejected);
        assert_eq!((open[1].ssvc, open[1].kev_added), (None, None));
        // It is published again: the finding is back.
        let lines = [
            lines[0].clone(),
            vulnrichment("CVE-2026-10003", "PUBLISHED", None),
        ];
        std::fs::write(
            world.pack.path().join("enrich/ssvc-2026-01-07.jsonl"),
            lines.join("\n"),
        )
        .expect("file");
        world.import().await;
        assert_eq!(world.findings(FindingFilter::default()).await.len(), 3);
    }
}

#[tokio::test]
async fn debians_own_lists_go_before_the_table_and_the_nvd_comes_last() {
    let world = World::direct().await;
    world.import().await;
    let host = world.host(1, &[]).await;
    let installed = vec![
        component("curl", "7.88.1-10+deb12u1", "curl"),
        component("zip", "3.0-13", "zip"),
        component("less", "590-2", "less"),
    ];
    world.report(host, installed).await;
    let sights = async || -> Vec<_> {
        let of = |one: Finding| (one.advisory.name, (one.id, one.first_seen_at));
        let all = world.findings(FindingFilter::default()).await;
        all.into_iter().map(of).collect()
    };
    let before: std::collections::HashMap<_, _> = sights().await.into_iter().collect();
    world.clock.advance(std::time::Duration::from_secs(86_400));
    let write = |path: &str, text: String| {
        let path = world.pack.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("folder");
        std::fs::write(path, text).expect("file");
    };
    write(
        "debian-tracker/CVE.list",
        "CVE-2026-10002 (x)\n\t- curl 8.0-1\n\t[bookworm] - curl <no-dsa> (Minor issue)\n\
         CVE-2026-10003 (x)\n\t- zip 3.0-15\n\t[bookworm] - zip <not-affected> (Vulnerable code not present)\n\
         CVE-2026-10004 (x)\n\t- less <unfixed>\n\tNOTE: text\n"
            .to_owned(),
    );
    let metrics = |vector: &str| serde_json::json!({"cvssMetricV31": [{"cvssData": {"vectorString": vector}}]});
    let vector = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H";
    let software = serde_json::json!([{"nodes": [{"operator": "OR", "negate": false, "cpeMatch": [
        {"vulnerable": true, "criteria": "cpe:2.3:a:x:y:1:*:*:*:*:*:*:*"}]}]}]);
    let of = |cve: &str| serde_json::json!({"cve": {"id": cve, "metrics": metrics(vector), "configurations": software}});
    let all = ["CVE-2026-10002", "CVE-2026-10004"].map(of);
    write(
        "nvd/2026.json",
        serde_json::json!({"vulnerabilities": all}).to_string(),
    );
    world.import().await;
    let mut found: Vec<_> = world
        .findings(FindingFilter::default())
        .await
        .into_iter()
        .map(|one| {
            let evidence = one.evidence;
            (
                one.advisory.name,
                evidence.feed,
                evidence.fixed_version,
                one.advisory.cvss_score,
            )
        })
        .collect();
    found.sort_by(|left, right| left.0.cmp(&right.0));
    let told = |cve: &str, feed: &str, fixed: &str, score| {
        (cve.to_owned(), feed.to_owned(), fixed.to_owned(), score)
    };
    assert_eq!(
        found,
        [
            told(
                "CVE-2026-10001",
                "debian-bookworm",
                "7.88.1-10+deb12u2",
                None
            ),
            // No fix will come, whatever the table made of it; the score is that of the feed of scores.
            told("CVE-2026-10002", "debian-tracker", "", Some(7.5)),
            // Only the tracker knows it, and only the last resort has a score.
            told("CVE-2026-10004", "debian-tracker", "", Some(9.8)),
        ]
    );
    // The same vulnerability in the same package, whoever tells of it: its finding goes on.
    let after = sights().await;
    for (cve, sight) in &after {
        match before.get(cve) {
            Some(first) => assert_eq!(sight, first, "{cve}"),
            None => assert_eq!(
                (cve.as_str(), sight.1),
                ("CVE-2026-10004", world.clock.now())
            ),
        }
    }
    assert_eq!(after.len(), 3);
    for (feed, word) in [("nvd", "last resort"), ("debian-tracker", "Debian")] {
        let status = status(&world, feed).await;
        assert!(
            format!("{} {}", status.licence, status.limits).contains(word),
            "{feed}"
        );
    }
}
