use super::*;
use chrono::TimeZone as _;

fn host() -> (inventory::Host, chrono::DateTime<Utc>) {
    let now = Utc.with_ymd_and_hms(2026, 11, 21, 22, 0, 0).unwrap();
    let host = inventory::Host {
        id: HostId::new(now),
        tenant: OrganizationId::new(now),
        site: SiteId::new(now),
        facts: inventory::HostFacts::default(),
        labels: Default::default(),
        groups: Vec::new(),
        ring: "broad".into(),
        time_zone: String::new(),
        software_from: Default::default(),
        manifest: None,
        registered_at: now,
        last_seen_at: Some(now),
        last_scan_at: Some(now),
        scan_problem: String::new(),
        relay: None,
        probes: Vec::new(),
        quarantined: false,
        open_findings: Default::default(),
        etag: "1".into(),
    };
    (host, now)
}

#[test]
fn a_host_that_nobody_saw_is_not_compliant_and_an_open_finding_outweighs_a_reboot() {
    let (mut fresh, now) = host();
    assert_eq!(Host(fresh.clone()).standing(now).0, HostState::Compliant);
    assert_eq!(
        Host(fresh.clone())
            .standing(now + chrono::Duration::days(8))
            .0,
        HostState::UnknownStale
    );
    fresh.facts.reboot_pending = true;
    assert_eq!(
        Host(fresh.clone()).standing(now).0,
        HostState::RebootPending
    );
    fresh.open_findings = [
        (netpatch_types::Severity::Low, 1),
        (netpatch_types::Severity::Critical, 2),
    ]
    .into();
    let (state, reason) = Host(fresh.clone()).standing(now);
    assert_eq!(
        (state, reason.as_str()),
        (
            HostState::NonCompliant,
            "3 findings are open: 2 critical, 1 low."
        )
    );
    fresh.last_scan_at = None;
    assert_eq!(Host(fresh).standing(now).0, HostState::UnknownStale);
}
