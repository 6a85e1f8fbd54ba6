//! Another organization's id is indistinguishable from an unknown one, in every operation.

use crate::agent::{SUCCESS, report};
use crate::world::{World, change};
use netpatch_scheduler_api::*;
use netpatch_storage::hole_test;
use netpatch_types::*;
use std::collections::BTreeSet;

#[tokio::test]
async fn the_schema_has_no_holes() {
    let world = World::direct().await;
    assert_eq!(
        hole_test(world.test.database()).await.unwrap(),
        Vec::<String>::new()
    );
}

#[tokio::test]
async fn every_operation_keeps_organizations_apart() {
    let world = World::direct().await;
    let owned = world.deploy().await;
    world.settle().await;
    let host = world.ordered().await[0];
    let order = world.order(host).await;
    world.ran(host, &SUCCESS[..2]).await;
    let (run, wave) = (
        world.run_of(host).await,
        world.waves(owned.id).await.remove(0),
    );
    let before = world.events().await.len();

    let stranger = TenantId::new(world.clock.now());
    let ctx = world.person_of(stranger);
    let system = RequestContext::system(stranger, "test", world.clock.now());
    let (api, now) = (&world.api, world.clock.now());
    let mut tested = BTreeSet::new();
    // The same request with an id that nobody has must give the same answer.
    macro_rules! same_as_unknown {
        ($method:ident, $ctx:expr, $foreign:expr, $unknown:expr) => {{
            let foreign = api.$method($ctx, $foreign).await.unwrap_err();
            let unknown = api.$method($ctx, $unknown).await.unwrap_err();
            assert_eq!(foreign.code, ErrorCode::NotFound, stringify!($method));
            assert_eq!(foreign, unknown, stringify!($method));
            tested.insert(stringify!($method).to_owned());
        }};
    }
    macro_rules! sees_nothing {
        ($method:ident, $ctx:expr, $request:expr, |$answer:ident| $empty:expr) => {{
            let $answer = api.$method($ctx, $request).await.unwrap();
            assert!($empty, "{}: {:?}", stringify!($method), $answer);
            tested.insert(stringify!($method).to_owned());
        }};
    }
    let unknown = DeploymentId::new(now);
    same_as_unknown!(
        deployment_create,
        &ctx,
        world.request(),
        DeploymentCreate {
            policy: PolicyId::new(now),
            ..world.request()
        }
    );
    let get = |id| DeploymentGet { id };
    same_as_unknown!(deployment_get, &ctx, get(owned.id), get(unknown));
    same_as_unknown!(deployment_documents, &ctx, get(owned.id), get(unknown));
    let because = |id| change(id, "because");
    same_as_unknown!(deployment_pause, &ctx, because(owned.id), because(unknown));
    same_as_unknown!(deployment_resume, &ctx, because(owned.id), because(unknown));
    same_as_unknown!(deployment_halt, &ctx, because(owned.id), because(unknown));
    same_as_unknown!(deployment_cancel, &ctx, because(owned.id), because(unknown));
    let list = |deployment| WaveList { deployment };
    same_as_unknown!(wave_list, &ctx, list(owned.id), list(unknown));
    let get = |id| WaveGet { id };
    same_as_unknown!(wave_get, &ctx, get(wave.id), get(WaveId::new(now)));
    let get = |id| RunGet { id };
    same_as_unknown!(run_get, &ctx, get(run.id), get(RunId::new(now)));
    let honest = report(&world, host, &order, &SUCCESS);
    let lie = RunReport {
        order: Sha256::of(b"unknown"),
        deployment: unknown,
        ..honest.clone()
    };
    same_as_unknown!(run_report, &system, honest, lie);
    let answer = |order| OrderAnswered {
        host,
        order,
        accepted: false,
        refusal: "hold".into(),
        detail: String::new(),
    };
    same_as_unknown!(
        order_answer,
        &system,
        answer(order.0),
        answer(Sha256::of(b"unknown"))
    );
    let fresh = |deployment| FreshnessGet { deployment };
    same_as_unknown!(freshness, &system, fresh(owned.id), fresh(unknown));
    sees_nothing!(deployment_list, &ctx, DeploymentList::default(), |page| {
        page.rows.is_empty()
    });
    let theirs = DeploymentList {
        tenant: Some(world.tenant),
        ..DeploymentList::default()
    };
    sees_nothing!(deployment_list, &ctx, theirs, |page| page.rows.is_empty());
    for list in [
        RunList::default(),
        RunList {
            deployment: Some(owned.id),
            wave: Some(wave.id),
            host: Some(host),
            ..RunList::default()
        },
    ] {
        sees_nothing!(run_list, &ctx, list, |page| page.rows.is_empty());
    }
    let documents = DocumentsForHost { host, held: vec![] };
    let of_many = DocumentsForHosts {
        hosts: vec![documents.clone()],
    };
    sees_nothing!(documents_for_hosts, &system, of_many, |all| all
        == HostsDocuments::default());
    sees_nothing!(documents_for_host, &system, documents, |list| list
        .is_empty());
    let site = StagingPlanGet {
        site: crate::world::SITE,
    };
    sees_nothing!(staging_plan, &system, site, |plan| plan.payloads.is_empty());
    let nonce = TimeSign { nonce: vec![1; 32] };
    let ours = api.time_sign(&world.system(), nonce.clone()).await.unwrap();
    sees_nothing!(time_sign, &system, nonce, |time| time != ours);
    let ours = api
        .director_key(&world.system(), DirectorKeyGet {})
        .await
        .unwrap();
    sees_nothing!(director_key, &system, DirectorKeyGet {}, |key| key != ours);
    // What is needed, of all organizations, and events are for the platform only.
    let needed = api.payloads_needed(&ctx, PayloadsNeeded::default()).await;
    assert_eq!(needed.unwrap_err().code, ErrorCode::Forbidden);
    tested.insert("payloads_needed".to_owned());
    let events = api.events(&ctx, EventsAfter::default()).await;
    assert_eq!(events.unwrap_err().code, ErrorCode::Forbidden);
    tested.insert("events".to_owned());

    // Nothing of the owner's changed, and no operation was forgotten.
    assert_eq!(world.get(owned.id).await.status, DeploymentStatus::Running);
    assert_eq!(world.run_of(host).await, run);
    assert_eq!(world.events().await.len(), before);
    assert_eq!(
        operations().difference(&tested).collect::<Vec<_>>(),
        Vec::<&String>::new()
    );
}

#[tokio::test]
async fn a_partner_reads_several_organizations_and_writes_to_one() {
    let world = World::direct().await;
    let owned = world.deploy().await;
    world.settle().await;
    let other = TenantId::new(world.clock.now());
    let mut partner = world.person_of(other);
    partner.read.push(world.tenant);
    let get = DeploymentGet { id: owned.id };
    let seen = world.api.deployment_get(&partner, get).await.unwrap();
    assert_eq!(seen.tenant, world.tenant);
    let waves = WaveList {
        deployment: owned.id,
    };
    assert_eq!(world.api.wave_list(&partner, waves).await.unwrap().len(), 3);
    let asked = || change(owned.id, "because");
    for answer in [
        world.api.deployment_pause(&partner, asked()).await,
        world.api.deployment_resume(&partner, asked()).await,
        world.api.deployment_halt(&partner, asked()).await,
        world.api.deployment_cancel(&partner, asked()).await,
    ] {
        assert_eq!(answer.unwrap_err().code, ErrorCode::NotFound);
    }
    assert!(world.facts.lock().unwrap().approvals.is_empty());
    // A policy that may be read is no policy to deploy by.
    let create = world.api.deployment_create(&partner, world.request()).await;
    assert_eq!(create.unwrap_err().code, ErrorCode::NotFound);
    partner.write = None;
    let create = world.api.deployment_create(&partner, world.request()).await;
    assert_eq!(create.unwrap_err().path, ["organizationId"]);
}

/// The operations of the contract, read from its text.
fn operations() -> BTreeSet<String> {
    let text = include_str!("../../api/src/lib.rs");
    let body = text.split_once("fn scheduler_router").unwrap().1;
    let found: BTreeSet<String> = body
        .lines()
        .map(str::trim)
        .filter(|line| line.ends_with(';') && line.contains(") -> "))
        .filter_map(|line| line.split_once('(').map(|(name, _)| name.to_owned()))
        .collect();
    assert!(found.len() >= 19, "{found:?}");
    found
}
