//! Risk weights: versioned, checked, and every open finding is ranked anew by them.

use crate::world::{World, component};
use netpatch_inventory_api::*;
use netpatch_types::{ActorKind, ErrorCode, HostId, Labels};

async fn set(
    world: &World,
    weights: RiskWeights,
    if_match: Option<&str>,
) -> Result<RiskWeightsHeld, ErrorCode> {
    let request = RiskWeightsSet {
        if_match: if_match.map(str::to_owned),
        weights,
    };
    let outcome = world.api.risk_weights_set(&world.ctx, request).await;
    world.inventory.reevaluate().await.expect("re-evaluation");
    outcome.map_err(|error| error.code)
}

async fn get(world: &World, version: Option<u64>) -> Result<RiskWeightsHeld, ErrorCode> {
    let outcome = world
        .api
        .risk_weights_get(&world.ctx, RiskWeightsGet { version })
        .await;
    outcome.map_err(|error| error.code)
}

/// Nothing counts but how much depends on the host.
const CRITICALITY: RiskWeights = RiskWeights {
    kev: 0,
    ransomware: 0,
    epss: 0,
    cvss: 0,
    ssvc: 0,
    exposure: 0,
    criticality: 100,
};

async fn two_hosts(world: &World) -> (HostId, HostId) {
    world.import().await;
    let (precious, other) = (
        world.host(1, &[("criticality", "critical")]).await,
        world.host(2, &[("criticality", "low")]).await,
    );
    // The exploited one is on the host that nobody needs.
    world
        .report(precious, vec![component("zip", "3.0-13", "zip")])
        .await;
    world
        .report(other, vec![component("curl", "7.88.1-10+deb12u1", "curl")])
        .await;
    (precious, other)
}

#[tokio::test]
async fn other_weights_rank_every_open_finding_anew() {
    for world in World::both().await {
        let (precious, other) = two_hosts(&world).await;
        let first = async || world.findings(FindingFilter::default()).await.remove(0);
        let by_default = first().await;
        assert_eq!(
            (by_default.host, by_default.risk.weights_version),
            (other, 0)
        );
        let held = set(&world, CRITICALITY, Some("0")).await.expect("set");
        assert_eq!((held.version, held.weights), (1, CRITICALITY));
        assert_eq!(held.changed_by.as_ref(), Some(&world.ctx.actor));
        let now = first().await;
        assert_eq!((now.host, now.risk.weights_version), (precious, 1));
        assert!((now.risk.score - 100.0).abs() < 1e-9);
        let terms: f64 = now.risk.terms.iter().map(|term| term.points).sum();
        assert!((now.risk.score - terms).abs() < 1e-9);
        // What opens afterwards is ranked by them, too, and a host that becomes precious climbs.
        let late = world.host(3, &[("criticality", "high")]).await;
        world
            .report(late, vec![component("zip", "3.0-13", "zip")])
            .await;
        let of = async |host| {
            let filter = FindingFilter {
                host: Some(host),
                ..FindingFilter::default()
            };
            world.findings(filter).await[0].risk.score
        };
        assert!((of(late).await - 80.0).abs() < 1e-9);
        let labels = Labels::from([("criticality".to_owned(), "medium".to_owned())]);
        let change = HostUpdate {
            id: late,
            if_match: None,
            labels: Some(labels),
            site: None,
            release_quarantine: false,
        };
        world
            .api
            .host_update(&world.ctx, change)
            .await
            .expect("update");
        assert!((of(late).await - 50.0).abs() < 1e-9);
        // Another organization counts as before.
        let stranger = world.stranger();
        let theirs = world
            .api
            .risk_weights_get(&stranger, RiskWeightsGet::default())
            .await
            .expect("weights");
        assert_eq!(
            (theirs.version, theirs.weights),
            (0, RiskWeights::default())
        );
    }
}

#[tokio::test]
async fn versions_are_kept_and_the_ledger_is_told() {
    let world = World::direct().await;
    two_hosts(&world).await;
    assert_eq!(get(&world, None).await.map(|held| held.version), Ok(0));
    set(&world, CRITICALITY, None).await.expect("set");
    // The same again is no change.
    let again = set(&world, CRITICALITY, Some("1")).await.expect("set");
    assert_eq!(again.version, 1);
    let back = set(&world, RiskWeights::default(), Some("1"))
        .await
        .expect("set");
    assert_eq!(back.version, 2);
    for (version, weights) in [
        (0, RiskWeights::default()),
        (1, CRITICALITY),
        (2, RiskWeights::default()),
    ] {
        let held = get(&world, Some(version)).await.expect("held");
        assert_eq!((held.version, held.weights), (version, weights));
    }
    assert_eq!(get(&world, Some(3)).await, Err(ErrorCode::NotFound));
    assert_eq!(get(&world, Some(u64::MAX)).await, Err(ErrorCode::NotFound));
    let told: Vec<(u64, RiskWeights)> = world
        .events()
        .await
        .into_iter()
        .filter_map(|event| match event {
            InventoryEventV1::RiskWeightsChanged {
                version, weights, ..
            } => Some((version, weights)),
            _ => None,
        })
        .collect();
    assert_eq!(told, [(1, CRITICALITY), (2, RiskWeights::default())]);
}

#[tokio::test]
async fn weights_that_do_not_add_up_or_were_changed_meanwhile_are_refused() {
    let world = World::direct().await;
    let before = world.fingerprint().await;
    for weights in [
        RiskWeights {
            kev: 51,
            ..RiskWeights::default()
        },
        RiskWeights {
            kev: u32::MAX,
            cvss: u32::MAX,
            ..CRITICALITY
        },
        RiskWeights {
            criticality: 0,
            ..CRITICALITY
        },
    ] {
        assert_eq!(
            set(&world, weights, None).await,
            Err(ErrorCode::BadUserInput)
        );
    }
    assert_eq!(
        set(&world, CRITICALITY, Some("7")).await,
        Err(ErrorCode::Conflict)
    );
    let mut reader = world.ctx.clone();
    reader.actor.kind = ActorKind::User;
    reader
        .permissions
        .remove(&netpatch_types::Permission::PolicyWrite);
    let request = RiskWeightsSet {
        if_match: None,
        weights: CRITICALITY,
    };
    let refused = world.api.risk_weights_set(&reader, request).await;
    assert_eq!(
        refused.map_err(|error| error.code),
        Err(ErrorCode::Forbidden)
    );
    assert_eq!(world.fingerprint().await, before);
    assert_eq!(get(&world, None).await.map(|held| held.version), Ok(0));
}
