//! Where payloads lie, as hosts say.

use crate::world::{World, component, patch_id, update};
use netpatch_inventory_api::*;
use netpatch_types::{HostId, OrganizationId, Sha256};

const VERSION: &str = "7.88.1-10+deb12u3";

fn source(sha256: Sha256, url: &str) -> PayloadSource {
    PayloadSource {
        sha256,
        url: url.into(),
    }
}

/// curl, which brings a new library along.
fn curl() -> InstallableUpdate {
    InstallableUpdate {
        requires: vec![PlannedChange {
            name: "libnew".into(),
            arch: "amd64".into(),
            version: "1".into(),
            sha256: Some(Sha256::of(b"libnew")),
            size_bytes: 70,
            remove: false,
        }],
        ..update("curl", "curl", VERSION)
    }
}

async fn offer(world: &World, host: HostId, sources: Vec<PayloadSource>) {
    let report = ApplicabilityReport {
        host,
        manifest: world.get(host).await.manifest.unwrap_or_default(),
        updates: vec![curl()],
        problem: String::new(),
        sources,
    };
    let taken = world.api.applicability_report(&world.ctx, report).await;
    taken.expect("applicability");
}

async fn payloads(world: &World, hosts: &[HostId]) -> Vec<(Sha256, u64, Vec<String>)> {
    let request = PatchPayloads {
        patches: vec![patch_id("curl", VERSION)],
        hosts: hosts.to_vec(),
    };
    let found = world.api.patch_payloads(&world.ctx, request).await;
    let found = found.expect("payloads").into_iter();
    found
        .map(|one| (one.sha256, one.size_bytes, one.urls))
        .collect()
}

#[tokio::test]
async fn what_hosts_fetch_is_known_with_what_it_brings_along() {
    for world in World::both().await {
        let (one, two) = (world.host(1, &[]).await, world.host(2, &[]).await);
        for host in [one, two] {
            world
                .report(host, vec![component("curl", "7.88.1-10", "curl")])
                .await;
        }
        let own = curl().sha256;
        offer(&world, two, Vec::new()).await;
        assert_eq!(payloads(&world, &[one, two]).await, [], "nobody says where");
        let at = "http://deb.example/debian/pool/curl.deb";
        offer(
            &world,
            one,
            vec![
                source(own, at),
                source(own, at),
                source(
                    Sha256::of(b"libnew"),
                    "https://deb.example/debian/pool/libnew.deb",
                ),
                // Hints about what it does not need, or that are no addresses.
                source(
                    Sha256::of(b"other"),
                    "http://deb.example/debian/pool/other.deb",
                ),
            ],
        )
        .await;
        let mut expected = vec![
            (own, 1000, vec![at.to_owned()]),
            (
                Sha256::of(b"libnew"),
                70,
                vec!["https://deb.example/debian/pool/libnew.deb".to_owned()],
            ),
        ];
        expected.sort();
        assert_eq!(payloads(&world, &[one]).await, expected);
        // What one host says helps the others that need the same.
        assert_eq!(payloads(&world, &[two]).await, expected);
        assert_eq!(
            payloads(&world, &[HostId(uuid::Uuid::from_u128(5))]).await,
            []
        );
        // Another organization has neither hosts nor hints.
        let mut stranger = world.ctx.clone();
        let other = OrganizationId(uuid::Uuid::from_u128(77));
        (stranger.write, stranger.read) = (Some(other), vec![other]);
        let request = PatchPayloads {
            patches: vec![patch_id("curl", VERSION)],
            hosts: vec![one],
        };
        assert_eq!(
            world.api.patch_payloads(&stranger, request).await,
            Ok(vec![])
        );
    }
}

#[tokio::test]
async fn a_hint_that_is_no_address_is_left_out_and_refuses_nothing() {
    let world = World::direct().await;
    let host = world.host(1, &[]).await;
    world
        .report(host, vec![component("curl", "7.88.1-10", "curl")])
        .await;
    let own = curl().sha256;
    for url in [
        "file:///etc/passwd",
        "",
        "http://deb.example/a b",
        "http://deb.example/\u{0}",
        "http://deb.example/ü",
        &format!("http://deb.example/{}", "a".repeat(3000)),
    ] {
        offer(&world, host, vec![source(own, url)]).await;
        assert_eq!(payloads(&world, &[host]).await, [], "{url}");
    }
    offer(&world, host, vec![source(own, "http://deb.example/a%2bb")]).await;
    assert_eq!(payloads(&world, &[host]).await.len(), 1);
}
