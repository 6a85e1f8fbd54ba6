//! Remediation deadlines: dated when a finding opens, kept by its first sight, moved when baselines or hosts change.

use crate::world::{World, component, update};
use chrono::{DateTime, Utc};
use netpatch_inventory_api::*;
use netpatch_types::{Clock as _, GroupId, HostId, Labels, PageRequest, Selector, Severity};
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);

fn own(rules: Vec<BaselineRule>) -> FollowedBaseline {
    FollowedBaseline {
        name: "ours".into(),
        standard: Standard::Own,
        group: None,
        rules,
    }
}

fn rule(name: &str, severities: &[Severity], within_days: u32) -> BaselineRule {
    BaselineRule {
        name: name.into(),
        severities: severities.to_vec(),
        within_days,
        ..BaselineRule::default()
    }
}

/// The last second of the day that lies so many days after now.
fn in_days(world: &World, days: i64) -> DateTime<Utc> {
    let day = world.clock.now().date_naive() + chrono::Duration::days(days);
    day.and_hms_opt(23, 59, 59).expect("a time").and_utc()
}

async fn follow(world: &World, version: u64, followed: Vec<FollowedBaseline>) {
    world
        .api
        .baselines_set(&world.ctx, BaselinesSet { version, followed })
        .await
        .expect("baselines");
    world.inventory.reevaluate().await.expect("re-evaluation");
}

/// curl with one exploited vulnerability (critical) and one high, zip with one that nobody rated.
async fn exposed_host(world: &World, machine: u8, labels: &[(&str, &str)]) -> HostId {
    let host = world.host(machine, labels).await;
    world
        .report(
            host,
            vec![
                component("curl", "7.88.1-10+deb12u1", "curl"),
                component("zip", "3.0-13", "zip"),
            ],
        )
        .await;
    host
}

async fn due(world: &World, host: HostId) -> Vec<(String, Option<DateTime<Utc>>)> {
    let filter = FindingFilter {
        host: Some(host),
        ..FindingFilter::default()
    };
    let mut all: Vec<_> = world
        .findings(filter)
        .await
        .into_iter()
        .map(|finding| {
            (
                finding.advisory.name,
                finding.deadline.and_then(|deadline| deadline.due_at),
            )
        })
        .collect();
    all.sort();
    all
}

fn named(name: &str, due: Option<DateTime<Utc>>) -> (String, Option<DateTime<Utc>>) {
    (name.to_owned(), due)
}

#[tokio::test]
async fn every_finding_has_a_date_and_a_reason_before_anybody_decided() {
    for world in World::both().await {
        world.import().await;
        exposed_host(&world, 1, &[("exposure", "internet")]).await;
        let findings = world.findings(FindingFilter::default()).await;
        assert_eq!(findings.len(), 3);
        for finding in &findings {
            let deadline = finding.deadline.as_ref().expect("a deadline");
            assert_eq!(deadline.standard, Standard::CisaBod2604);
            assert!(deadline.baseline.contains("nobody has chosen"));
            assert!(
                deadline.reason.starts_with("CISA BOD 26-04: "),
                "{}",
                deadline.reason
            );
        }
        let exploited = findings[0].deadline.as_ref().expect("a deadline");
        assert!(findings[0].advisory.kev);
        assert!(exploited.forensic_triage, "{}", exploited.reason);
        assert!(exploited.reason.contains("known exploited"));
        let calm = findings[2].deadline.as_ref().expect("a deadline");
        assert!(!calm.forensic_triage);
        // Read alone it says the same.
        let request = FindingGet { id: findings[0].id };
        let alone = world.api.finding_get(&world.ctx, request).await;
        assert_eq!(alone.as_ref(), Ok(&findings[0]));
    }
}

#[tokio::test]
async fn what_cisa_publishes_of_a_cve_decides_and_a_new_listing_shortens_the_time() {
    let world = World::direct().await;
    let enrich = |name: &str, text: String| {
        std::fs::write(world.pack.path().join("enrich").join(name), text).expect("file");
    };
    let points = |cve: &str, automatable: &str, impact: &str| {
        serde_json::json!({"cveMetadata": {"cveId": cve, "state": "PUBLISHED"}, "containers": {"adp": [{
            "providerMetadata": {"shortName": "CISA-ADP"}, "metrics": [{"other": {"type": "ssvc", "content": {
                "timestamp": "2026-01-05T10:00:00Z", "options": [{"Exploitation": "none"}, {"Automatable": automatable},
                {"Technical Impact": impact}]}}}]}]}})
        .to_string()
    };
    enrich(
        "ssvc-2026-01-06.jsonl",
        [
            points("CVE-2026-10002", "no", "partial"),
            points("CVE-2026-10003", "yes", "total"),
        ]
        .join("\n"),
    );
    // The clock of the test stands in January, before the directive was issued.
    world.clock.advance(200 * DAY);
    world.import().await;
    let host = exposed_host(&world, 1, &[("exposure", "internal")]).await;
    let found = due(&world, host).await;
    // Exploited, of which CISA published nothing else: the worse case, so also triage.
    assert_eq!(found[0].1, Some(in_days(&world, 3)));
    assert_eq!(found[1].1, None, "with the next upgrade");
    assert_eq!(found[2].1, Some(in_days(&world, 60)));
    // CISA lists the second one: fourteen days from the earlier of listing and first sight.
    let listed = world.clock.now().date_naive() - chrono::Duration::days(2);
    enrich(
        "kev-2026.08.10.json",
        serde_json::json!({"dateReleased": "2026-08-10T00:00:00Z", "vulnerabilities": [
            {"cveID": "CVE-2026-10001", "vulnerabilityName": "curl overflow"},
            {"cveID": "CVE-2026-10002", "vulnerabilityName": "curl leak", "dateAdded": listed.to_string()}]})
        .to_string(),
    );
    world.import().await;
    let findings = world
        .findings(FindingFilter {
            kev: Some(true),
            ..FindingFilter::default()
        })
        .await;
    let deadline = findings
        .iter()
        .find(|finding| finding.advisory.name == "CVE-2026-10002")
        .and_then(|finding| finding.deadline.as_ref())
        .expect("a deadline");
    assert_eq!(deadline.due_at, Some(in_days(&world, 12)));
    assert_eq!(
        deadline.reason,
        format!(
            "CISA BOD 26-04: 14 days from {listed}, when CISA listed it as known exploited: \
             not publicly exposed, known exploited, not automatable, partial control"
        )
    );
}

#[tokio::test]
async fn followed_baselines_date_what_is_open_and_what_opens() {
    for world in World::both().await {
        world.import().await;
        let host = exposed_host(&world, 1, &[]).await;
        let rules = vec![
            rule("worst", &[Severity::Critical], 2),
            rule("bad", &[Severity::High], 14),
        ];
        follow(&world, 1, vec![own(rules.clone())]).await;
        let expected = [
            named("CVE-2026-10001", Some(in_days(&world, 2))),
            named("CVE-2026-10002", Some(in_days(&world, 14))),
            named("CVE-2026-10003", None),
        ];
        assert_eq!(due(&world, host).await, expected);
        let unrated = FindingFilter {
            source: Some("zip".into()),
            ..FindingFilter::default()
        };
        assert_eq!(
            world.findings(unrated).await[0].deadline,
            None,
            "no rule speaks of it"
        );

        // The clock of each host starts when it was seen there first, and a half-way update does not start it anew.
        world.clock.advance(5 * DAY);
        let second = exposed_host(&world, 2, &[]).await;
        assert_eq!(due(&world, second).await[1].1, Some(in_days(&world, 14)));
        world
            .report(host, vec![component("curl", "7.88.1-10+deb12u2", "curl")])
            .await;
        assert_eq!(
            due(&world, host).await,
            [named("CVE-2026-10002", Some(in_days(&world, 9)))]
        );

        // Nothing changed: nothing is written.
        let before = world.fingerprint().await;
        follow(&world, 1, vec![own(rules.clone())]).await;
        assert_eq!(world.fingerprint().await, before);
        // An older version that comes late is ignored, a newer one holds; none at all is a decision, too.
        follow(&world, 3, vec![own(vec![rule("all", &[], 30)])]).await;
        follow(&world, 2, vec![own(rules)]).await;
        assert_eq!(due(&world, host).await[0].1, Some(in_days(&world, 25)));
        follow(&world, 4, vec![]).await;
        assert_eq!(due(&world, host).await[0].1, None);
    }
}

#[tokio::test]
async fn labels_and_groups_choose_the_rule() {
    let world = World::direct().await;
    world.import().await;
    let group = world
        .api
        .group_create(
            &world.ctx,
            GroupCreate {
                name: "cardholder data".into(),
                selector: Selector {
                    any_of: [("zone".to_owned(), ["cde".to_owned()].into())].into(),
                    ..Selector::default()
                },
            },
        )
        .await
        .expect("group")
        .id;
    let outside = BaselineRule {
        exposed: Some(true),
        ..rule("outside", &[], 3)
    };
    let in_group = FollowedBaseline {
        group: Some(group),
        ..own(vec![rule("cde", &[], 7)])
    };
    let everywhere = own(vec![outside, rule("inside", &[], 60)]);
    follow(&world, 1, vec![everywhere, in_group]).await;
    let host = exposed_host(&world, 1, &[("exposure", "internal")]).await;
    assert_eq!(due(&world, host).await[0].1, Some(in_days(&world, 60)));
    for (labels, days) in [
        (vec![("exposure", "internal"), ("zone", "cde")], 7),
        (vec![("exposure", "internet"), ("zone", "cde")], 3),
        (vec![("exposure", "isolated")], 60),
        // Nobody says how exposed it is: it counts as exposed.
        (vec![], 3),
    ] {
        let labels: Labels = labels
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        let change = HostUpdate {
            id: host,
            if_match: None,
            labels: Some(labels.clone()),
            site: None,
            release_quarantine: false,
        };
        world
            .api
            .host_update(&world.ctx, change)
            .await
            .expect("update");
        assert_eq!(
            due(&world, host).await[0].1,
            Some(in_days(&world, days)),
            "{labels:?}"
        );
    }
}

#[tokio::test]
async fn findings_are_filtered_and_ordered_by_their_deadline() {
    for world in World::both().await {
        world.import().await;
        let rules = vec![
            rule("worst", &[Severity::Critical], 9),
            rule("bad", &[Severity::High], 4),
        ];
        follow(&world, 1, vec![own(rules)]).await;
        exposed_host(&world, 1, &[]).await;
        let names = async |filter: FindingFilter, order, first: u32| {
            let (mut names, mut after) = (Vec::new(), None);
            loop {
                let request = FindingList {
                    page: PageRequest { first, after },
                    order,
                    filter: filter.clone(),
                };
                let page = world
                    .api
                    .finding_list(&world.ctx, request)
                    .await
                    .expect("page");
                after = page.rows.last().map(|row| row.cursor.clone());
                let has_next = page.has_next;
                names.extend(page.into_nodes().into_iter().map(|node| node.advisory.name));
                if !has_next {
                    return names;
                }
            }
        };
        let all = FindingFilter::default();
        let by_date = ["CVE-2026-10002", "CVE-2026-10001", "CVE-2026-10003"];
        // A page at a time, over the border to those without a date.
        assert_eq!(names(all.clone(), FindingOrder::Deadline, 1).await, by_date);
        assert_eq!(
            names(all.clone(), FindingOrder::Deadline, 100).await,
            by_date
        );
        assert_eq!(
            names(all.clone(), FindingOrder::Risk, 1).await[0],
            "CVE-2026-10001"
        );
        let within = |days| FindingFilter {
            due_within_days: Some(days),
            ..all.clone()
        };
        let overdue = |is| FindingFilter {
            overdue: Some(is),
            ..all.clone()
        };
        let order = FindingOrder::Deadline;
        assert_eq!(names(within(3), order, 10).await, Vec::<String>::new());
        assert_eq!(names(within(5), order, 10).await, ["CVE-2026-10002"]);
        assert_eq!(names(overdue(true), order, 10).await, Vec::<String>::new());
        world.clock.advance(5 * DAY);
        assert_eq!(names(overdue(true), order, 10).await, ["CVE-2026-10002"]);
        assert_eq!(
            names(overdue(false), order, 10).await,
            ["CVE-2026-10001", "CVE-2026-10003"]
        );
        assert_eq!(names(within(0), order, 10).await, ["CVE-2026-10002"]);
        for broken in [
            "x",
            "1",
            "none/x",
            "7/7",
            "99999999999999999999/7",
            "nope/0",
        ] {
            let request = FindingList {
                page: PageRequest {
                    first: 1,
                    after: Some(broken.into()),
                },
                order,
                filter: all.clone(),
            };
            let refused = world.api.finding_list(&world.ctx, request).await;
            assert!(refused.is_err(), "{broken}");
        }
    }
}

#[tokio::test]
async fn the_queue_carries_the_earliest_deadline_of_each_patch() {
    for world in World::both().await {
        world.import().await;
        let rules = vec![
            rule("worst", &[Severity::Critical], 9),
            rule("unrated", &[Severity::Unknown], 2),
            rule("bad", &[Severity::High], 4),
        ];
        follow(&world, 1, vec![own(rules)]).await;
        let host = world.host(1, &[]).await;
        let installed = vec![
            component("curl", "7.88.1-10+deb12u1", "curl"),
            component("zip", "3.0-13", "zip"),
            component("vim", "2:8.2", "vim"),
        ];
        world.report(host, installed).await;
        let mut plain = update("vim", "vim", "2:9.0");
        plain.label = "Debian".into();
        world
            .offer(
                host,
                vec![
                    update("curl", "curl", "7.88.1-10+deb12u3"),
                    update("zip", "zip", "3.0-13+deb12u1"),
                    plain,
                ],
            )
            .await;
        let ask = async |request: QueueList| {
            let page = world
                .api
                .queue_list(&world.ctx, request)
                .await
                .expect("queue");
            page.into_nodes()
                .into_iter()
                .map(|item| {
                    let due = item.deadline.and_then(|deadline| deadline.due_at);
                    (item.patch.name, due)
                })
                .collect::<Vec<_>>()
        };
        let list = QueueList {
            page: PageRequest::largest(),
            ..QueueList::default()
        };
        let (curl, zip) = (
            named("curl", Some(in_days(&world, 4))),
            named("zip", Some(in_days(&world, 2))),
        );
        let vim = named("vim", None);
        assert_eq!(
            ask(list.clone()).await,
            [curl.clone(), zip.clone(), vim.clone()],
            "by risk"
        );
        let by_date = QueueList {
            order: FindingOrder::Deadline,
            ..list.clone()
        };
        assert_eq!(
            ask(by_date.clone()).await,
            [zip.clone(), curl.clone(), vim.clone()]
        );
        // A page at a time.
        let mut seen = Vec::new();
        let mut after = None;
        loop {
            let page = PageRequest { first: 1, after };
            let page = world
                .api
                .queue_list(
                    &world.ctx,
                    QueueList {
                        page,
                        ..by_date.clone()
                    },
                )
                .await
                .expect("page");
            after = page.rows.last().map(|row| row.cursor.clone());
            seen.extend(page.rows.into_iter().map(|row| row.node.patch.name));
            if !page.has_next {
                break;
            }
        }
        assert_eq!(seen, ["zip", "curl", "vim"]);
        let within = QueueList {
            due_within_days: Some(3),
            ..list.clone()
        };
        assert_eq!(ask(within).await, std::slice::from_ref(&zip));
        world.clock.advance(3 * DAY);
        let overdue = |is| QueueList {
            overdue: Some(is),
            ..list.clone()
        };
        assert_eq!(ask(overdue(true)).await, [zip]);
        assert_eq!(ask(overdue(false)).await, [curl, vim]);
    }
}

#[tokio::test]
async fn a_resolved_finding_keeps_its_deadline_and_says_whether_it_was_met() {
    let world = World::direct().await;
    world.import().await;
    follow(&world, 1, vec![own(vec![rule("all", &[], 3)])]).await;
    let (early, late) = (
        exposed_host(&world, 1, &[]).await,
        exposed_host(&world, 2, &[]).await,
    );
    world.clock.advance(2 * DAY);
    world.report(early, vec![]).await;
    world.clock.advance(2 * DAY);
    world.report(late, vec![]).await;
    let resolved = |host: HostId, overdue| FindingFilter {
        host: Some(host),
        resolved: true,
        overdue,
        ..FindingFilter::default()
    };
    assert_eq!(world.findings(resolved(early, Some(true))).await, []);
    assert_eq!(world.findings(resolved(early, Some(false))).await.len(), 3);
    let missed = world.findings(resolved(late, Some(true))).await;
    assert_eq!(missed.len(), 3);
    let deadline = missed[0].deadline.as_ref().expect("kept");
    assert!(deadline.overdue(missed[0].resolved_at, world.clock.now()));
    // Baselines that change later do not rewrite history.
    follow(&world, 2, vec![]).await;
    assert_eq!(world.findings(resolved(late, Some(true))).await, missed);
}

/// A change that comes while a host is evaluated by the old rules reaches that host, too.
#[tokio::test]
async fn no_host_is_forgotten_when_baselines_change_meanwhile() {
    let world = World::direct().await;
    world.import().await;
    let tx = world
        .database
        .database()
        .write(&world.ctx)
        .await
        .expect("transaction");
    // An evaluation that has read the rules and not committed yet holds this lock.
    let key = i64::from_be_bytes(
        world.ctx.write.expect("tenant").0.into_bytes()[8..]
            .try_into()
            .expect("eight bytes"),
    );
    tx.execute("select pg_advisory_xact_lock_shared($1)", [key.into()])
        .await
        .expect("lock");
    let change = tokio::spawn({
        let (api, ctx) = (world.api.clone(), world.ctx.clone());
        let followed = vec![own(vec![rule("all", &[], 1)])];
        async move {
            api.baselines_set(
                &ctx,
                BaselinesSet {
                    version: 1,
                    followed,
                },
            )
            .await
        }
    });
    // Until PostgreSQL itself says that the change waits for the lock.
    let waiting = "select count(*) from pg_locks where locktype = 'advisory' and not granted and objid::bigint = $1";
    let low = key & 0xffff_ffff;
    while tx
        .value::<i64>(waiting, [low.into()])
        .await
        .expect("locks")
        .unwrap_or_default()
        == 0
    {
        tokio::task::yield_now().await;
    }
    assert!(!change.is_finished());
    tx.rollback().await.expect("rollback");
    change.await.expect("task").expect("baselines");
    let host = exposed_host(&world, 1, &[]).await;
    assert_eq!(due(&world, host).await[0].1, Some(in_days(&world, 1)));
}

/// A group that is gone narrows nothing: its baseline holds everywhere.
#[tokio::test]
async fn an_unknown_group_does_not_loosen_a_baseline() {
    let world = World::direct().await;
    world.import().await;
    let lost = FollowedBaseline {
        group: Some(GroupId::new(world.clock.now())),
        ..own(vec![rule("all", &[], 1)])
    };
    follow(&world, 1, vec![lost]).await;
    let host = exposed_host(&world, 1, &[]).await;
    assert_eq!(due(&world, host).await[0].1, Some(in_days(&world, 1)));
}

async fn except(world: &World, version: u64, exceptions: Vec<Exception>) {
    world
        .api
        .exceptions_set(
            &world.ctx,
            ExceptionsSet {
                version,
                exceptions,
            },
        )
        .await
        .expect("exceptions");
    world.inventory.reevaluate().await.expect("re-evaluation");
}

#[tokio::test]
async fn an_exception_moves_the_deadline_until_its_end_and_names_the_original_date() {
    for world in World::both().await {
        world.import().await;
        let host = exposed_host(&world, 1, &[("tier", "server")]).await;
        let other = exposed_host(&world, 2, &[]).await;
        follow(&world, 1, vec![own(vec![rule("all", &[], 14)])]).await;
        let (original, until) = (in_days(&world, 14), world.clock.now() + DAY * 60);
        let exception = |number: u128, covers: ExceptionScope| Exception {
            id: netpatch_types::ExceptionId(uuid::Uuid::from_u128(number)),
            name: "legacy app".into(),
            until,
            covers,
        };
        let servers = GroupCreate {
            name: "servers".into(),
            selector: Selector {
                any_of: [("tier".to_owned(), ["server".to_owned()].into())].into(),
                ..Selector::default()
            },
        };
        let servers = world
            .api
            .group_create(&world.ctx, servers)
            .await
            .expect("group")
            .id;
        let curl = ExceptionScope {
            packages: vec!["curl".into()],
            group: Some(servers),
            ..ExceptionScope::default()
        };
        except(&world, 1, vec![exception(1, curl)]).await;
        let dates = async |host| -> Vec<_> {
            due(&world, host)
                .await
                .into_iter()
                .map(|(_, at)| at)
                .collect()
        };
        let [old, new] = [Some(original), Some(until)];
        assert_eq!(dates(host).await, [new, new, old]);
        assert_eq!(dates(other).await, [old, old, old], "outside of the group");
        let filter = FindingFilter {
            host: Some(host),
            ..FindingFilter::default()
        };
        let findings = world.findings(filter.clone()).await;
        let moved = findings.iter().find_map(|one| {
            let deadline = one.deadline.as_ref()?;
            Some((deadline.moved_by.clone()?, deadline.reason.clone()))
        });
        let (by, reason) = moved.expect("a moved deadline");
        assert_eq!(
            (by.name.as_str(), by.original_due_at),
            ("legacy app", original)
        );
        let day = original.format("%Y-%m-%d").to_string();
        assert!(
            reason.starts_with("exception \"legacy app\" until") && reason.contains(&day),
            "{reason}"
        );
        // By a CVE in any spelling; an older version is ignored; one that ends before the date moves nothing.
        let one = ExceptionScope {
            advisories: vec!["cve-2026-10001".into()],
            hosts: vec![host],
            ..ExceptionScope::default()
        };
        let short = Exception {
            until: world.clock.now() + DAY,
            ..exception(
                2,
                ExceptionScope {
                    packages: vec!["zip".into()],
                    ..ExceptionScope::default()
                },
            )
        };
        except(&world, 2, vec![exception(1, one), short]).await;
        except(&world, 1, vec![]).await;
        let count = async |host| {
            dates(host)
                .await
                .into_iter()
                .filter(|at| *at == new)
                .count()
        };
        assert_eq!((count(host).await, count(other).await), (1, 0));
        // Past its end the rules' own date holds again, whoever asks.
        world.clock.advance(DAY * 61);
        world
            .report(
                host,
                vec![
                    component("curl", "7.88.1-10+deb12u1", "curl"),
                    component("tar", "1", "tar"),
                ],
            )
            .await;
        except(&world, 3, vec![]).await;
        assert_eq!(count(host).await, 0);
        let findings = world.findings(filter).await;
        assert!(findings.iter().all(|one| {
            one.deadline
                .as_ref()
                .is_some_and(|due| due.moved_by.is_none() && due.due_at == old)
        }));
    }
}

#[tokio::test]
async fn only_the_platform_sets_exceptions() {
    let world = World::direct().await;
    let none = ExceptionsSet {
        version: 9,
        exceptions: vec![],
    };
    let mut person = world.ctx.clone();
    person.actor.kind = netpatch_types::ActorKind::User;
    let refused = world
        .api
        .exceptions_set(&person, none.clone())
        .await
        .expect_err("refused");
    assert_eq!(refused.code, netpatch_types::ErrorCode::Forbidden);
    let mut narrow = world.ctx.clone();
    narrow.sites = Some(vec![world.site]);
    assert!(world.api.exceptions_set(&narrow, none).await.is_err());
}
