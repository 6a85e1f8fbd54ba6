use crate::world::World;
use netpatch_inventory_api::InventoryEventV1;
use netpatch_policy_api::*;
use netpatch_proof::PublicKey;
use netpatch_protocol::{document, open_envelope};
use netpatch_types::*;
use prost::Message as _;
use std::time::Duration;

pub(crate) async fn held(
    world: &World,
    host: HostId,
    held_version: u64,
) -> Option<document::Membership> {
    let found = world
        .api
        .membership_get(&world.system(), MembershipGet { host, held_version })
        .await
        .unwrap()?;
    let key = world
        .api
        .approval_key(&world.system(), ApprovalKeyGet {})
        .await
        .unwrap();
    let envelope = document::Envelope::decode(found.envelope.as_slice()).unwrap();
    let opened: document::Membership = open_envelope(
        &envelope,
        &[PublicKey::ed25519(&key.public_key).unwrap()],
        1,
    )
    .unwrap();
    assert_eq!(opened.version, found.version);
    Some(opened)
}

#[tokio::test]
async fn the_version_grows_only_when_the_place_changes() {
    let world = World::direct().await;
    let group = GroupId::new(world.clock.now());
    let host = world.host(1, vec![group]);
    let first = held(&world, host, 0).await.unwrap();
    assert_eq!(
        (first.version, first.ring.as_str(), first.time_zone.as_str()),
        (1, "canary", "Europe/Berlin")
    );
    assert_eq!(
        (first.host_id, first.groups),
        (host.to_string(), vec![group.to_string()])
    );
    assert_eq!(held(&world, host, 1).await, None);

    world
        .facts
        .lock()
        .unwrap()
        .hosts
        .get_mut(&host)
        .unwrap()
        .ring = "broad".into();
    world.tell(world.tenant, InventoryEventV1::HostChanged { host });
    world.settle().await;
    let second = held(&world, host, 1).await.unwrap();
    assert_eq!((second.version, second.ring.as_str()), (2, "broad"));
    let versions: Vec<_> = world
        .events()
        .await
        .into_iter()
        .filter_map(|event| {
            if let PolicyEventV1::MembershipChanged { version, .. } = event {
                Some(version)
            } else {
                None
            }
        })
        .collect();
    assert_eq!(versions, [1, 2]);
}

#[tokio::test]
async fn many_hosts_at_once_get_what_each_gets_alone() {
    let world = World::direct().await;
    let group = GroupId::new(world.clock.now());
    let hosts = [
        world.host(1, vec![group]),
        world.host(2, vec![]),
        world.host(3, vec![]),
    ];
    let [newest, older, moved] = hosts;
    for host in hosts {
        held(&world, host, 0).await.unwrap();
    }
    let unknown = HostId::new(world.clock.now());
    let without = world.host(4, vec![]);
    // Nobody has told policy yet: it looks by itself.
    let last = |host: &mut netpatch_inventory_api::Host| host.ring = "last".into();
    world
        .facts
        .lock()
        .unwrap()
        .hosts
        .get_mut(&moved)
        .map(last)
        .unwrap();
    let asked = [
        (newest, 1),
        (older, 0),
        (moved, 1),
        (unknown, 0),
        (without, 0),
    ];
    let list = MembershipList {
        held: asked
            .map(|(host, held_version)| MembershipGet { host, held_version })
            .to_vec(),
    };
    let mut found = world
        .api
        .membership_list(&world.system(), list.clone())
        .await
        .unwrap();
    found.sort_by_key(|found| found.host);
    let mut expected = Vec::new();
    for (host, version) in [(older, 1), (moved, 2), (without, 1)] {
        let alone = MembershipGet {
            host,
            held_version: 0,
        };
        let membership = world.api.membership_get(&world.system(), alone).await;
        let membership = membership.unwrap().unwrap();
        assert_eq!(membership.version, version);
        expected.push(HostMembership { host, membership });
    }
    expected.sort_by_key(|expected| expected.host);
    assert_eq!(found, expected);

    let mut agent = world.system();
    agent.actor.kind = ActorKind::Agent;
    for ctx in [agent, world.person(1)] {
        let refused = world.api.membership_list(&ctx, list.clone()).await;
        assert_eq!(refused.unwrap_err().code, ErrorCode::Forbidden);
    }
    let too_many = MembershipList {
        held: vec![list.held[0]; MAX_MEMBERSHIPS + 1],
    };
    let refused = world.api.membership_list(&world.system(), too_many).await;
    assert_eq!(refused.unwrap_err().code, ErrorCode::BadUserInput);
}

#[tokio::test]
async fn the_block_list_reaches_every_host() {
    let world = World::direct().await;
    let hosts = [world.host(1, vec![]), world.host(2, vec![])];
    for host in hosts {
        assert!(
            held(&world, host, 0)
                .await
                .unwrap()
                .blocked_packages
                .is_empty()
        );
    }
    let block = BlockSet {
        package: "linux-image-*".into(),
        reason: "scanner drivers".into(),
        blocked: true,
    };
    world.api.block_set(&world.person(1), block).await.unwrap();
    world.settle().await;
    let told = world
        .events()
        .await
        .iter()
        .filter(|event| matches!(event, PolicyEventV1::MembershipChanged { version: 2, .. }))
        .count();
    assert_eq!(told, 2);
    for host in hosts {
        assert_eq!(
            held(&world, host, 1).await.unwrap().blocked_packages,
            ["linux-image-*"]
        );
    }
}

#[tokio::test]
async fn a_sites_scan_schedule_reaches_its_hosts_and_no_others() {
    let world = World::direct().await;
    let (here, there) = (world.host(1, vec![]), world.host(2, vec![]));
    let elsewhere = SiteId(uuid::Uuid::from_u128(7));
    world
        .facts
        .lock()
        .unwrap()
        .hosts
        .get_mut(&there)
        .unwrap()
        .site = elsewhere;
    for host in [here, there] {
        assert_eq!(held(&world, host, 0).await.unwrap().scan, None);
    }
    let site = SiteId(uuid::Uuid::from_u128(99));
    let set = |rule| ScanScheduleSet { site, rule };
    let rule = ScanRule {
        cron: "30 3 * * *".into(),
        jitter_seconds: 900,
    };
    let person = world.person(1);
    for _ in 0..2 {
        let set = set(Some(rule.clone()));
        let answer = world.api.scan_schedule_set(&person, set).await.unwrap();
        assert_eq!(answer.unwrap().rule, rule);
        world.settle().await;
    }
    let scan = held(&world, here, 1).await.unwrap().scan.unwrap();
    assert_eq!(
        (scan.cron.as_str(), scan.jitter_seconds),
        ("30 3 * * *", 900)
    );
    assert_eq!(held(&world, there, 1).await, None);
    let told = world.events().await;
    let told = told.iter().filter(
        |event| matches!(event, PolicyEventV1::MembershipChanged { version, .. } if *version > 1),
    );
    assert_eq!(told.count(), 1, "the second time says nothing new");

    // A grant over other sites does not reach this one, and nobody without the right sets it.
    let mut guest = world.person(1);
    guest.sites = Some(vec![elsewhere]);
    let refused = world.api.scan_schedule_set(&guest, set(None)).await;
    assert_eq!(refused.unwrap_err().code, ErrorCode::NotFound);
    let list = ScanScheduleList { sites: vec![site] };
    let seen = world.api.scan_schedule_list(&guest, list.clone()).await;
    assert_eq!(seen.unwrap(), []);
    let mut reader = world.person(1);
    reader.permissions = [Permission::Read].into();
    let refused = world.api.scan_schedule_set(&reader, set(None)).await;
    assert_eq!(refused.unwrap_err().code, ErrorCode::Forbidden);
    assert_eq!(
        world
            .api
            .scan_schedule_list(&reader, list.clone())
            .await
            .unwrap()
            .len(),
        1
    );

    world
        .api
        .scan_schedule_set(&person, set(None))
        .await
        .unwrap();
    world.settle().await;
    assert_eq!(held(&world, here, 2).await.unwrap().scan, None);
    assert_eq!(
        world.api.scan_schedule_list(&reader, list).await.unwrap(),
        []
    );
}

#[tokio::test]
async fn hosts_of_a_site_that_forbids_the_direct_way_are_told_so_and_no_others() {
    let world = World::direct().await;
    let (here, there) = (world.host(1, vec![]), world.host(2, vec![]));
    let elsewhere = SiteId(uuid::Uuid::from_u128(7));
    world
        .facts
        .lock()
        .unwrap()
        .hosts
        .get_mut(&there)
        .unwrap()
        .site = elsewhere;
    for host in [here, there] {
        assert!(!held(&world, host, 0).await.unwrap().direct_forbidden);
    }
    let site = SiteId(uuid::Uuid::from_u128(99));
    let say = async |direct_allowed| {
        let way = SiteWay {
            site,
            direct_allowed,
        };
        // Events come at least once.
        for _ in 0..2 {
            world.api.site_way_set(&world.system(), way).await.unwrap();
            world.settle().await;
        }
    };
    say(true).await;
    assert_eq!(held(&world, here, 1).await, None, "nothing new");
    say(false).await;
    let strict = held(&world, here, 1).await.unwrap();
    assert!(strict.direct_forbidden && strict.version == 2);
    assert_eq!(held(&world, there, 1).await, None);
    say(true).await;
    let free = held(&world, here, 2).await.unwrap();
    assert!(!free.direct_forbidden && free.version == 3);

    let way = SiteWay {
        site,
        direct_allowed: false,
    };
    let refused = world.api.site_way_set(&world.person(1), way).await;
    assert_eq!(refused.unwrap_err().code, ErrorCode::Forbidden);
    assert_eq!(held(&world, here, 3).await, None);
}

#[tokio::test]
async fn a_document_is_renewed_before_it_runs_out() {
    let world = World::direct().await;
    let host = world.host(1, vec![]);
    let first = held(&world, host, 0).await.unwrap();
    world.clock.advance(Duration::from_secs(59 * 86_400));
    assert_eq!(held(&world, host, 1).await, None);
    world.clock.advance(Duration::from_secs(2 * 86_400));
    let second = held(&world, host, 1).await.unwrap();
    assert!(second.expires_at_ms > first.expires_at_ms);
}

#[tokio::test]
async fn only_the_platform_or_the_host_itself_gets_it() {
    let world = World::direct().await;
    let host = world.host(1, vec![]);
    let ask = MembershipGet {
        host,
        held_version: 0,
    };
    let mut agent = world.system();
    agent.actor.kind = ActorKind::Agent;
    assert_eq!(
        world
            .api
            .membership_get(&agent, ask)
            .await
            .unwrap_err()
            .code,
        ErrorCode::Forbidden
    );
    agent.actor.id = host.0;
    assert!(
        world
            .api
            .membership_get(&agent, ask)
            .await
            .unwrap()
            .is_some()
    );
    assert_eq!(
        world
            .api
            .membership_get(&world.person(1), ask)
            .await
            .unwrap_err()
            .code,
        ErrorCode::Forbidden
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn asked_by_many_at_once_there_is_one_new_version() {
    let world = World::direct().await;
    let host = world.host(1, vec![]);
    let asking: Vec<_> = (0..8)
        .map(|_| {
            let (api, ctx) = (world.api.clone(), world.system());
            tokio::spawn(async move {
                api.membership_get(
                    &ctx,
                    MembershipGet {
                        host,
                        held_version: 0,
                    },
                )
                .await
            })
        })
        .collect();
    for one in asking {
        assert_eq!(one.await.unwrap().unwrap().unwrap().version, 1);
    }
    assert_eq!(world.events().await.len(), 1);
}
