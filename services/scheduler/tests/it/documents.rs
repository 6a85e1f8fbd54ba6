//! What hosts should hold: by range, group, held and ended; and what the director key says.

use crate::world::{World, change};
use netpatch_policy_api::Rollout;
use netpatch_protocol::document::{Envelope, Freshness, Halt, Time};
use netpatch_protocol::{Document, open_envelope};
use netpatch_scheduler_api::*;
use netpatch_types::*;
use prost::Message as _;
use uuid::Uuid;

async fn opened<D: Document>(world: &World, envelope: &[u8]) -> D {
    let envelope = Envelope::decode(envelope).unwrap();
    open_envelope::<D>(&envelope, &[world.director().await], 1).unwrap()
}

async fn fresh(world: &World, deployment: DeploymentId) -> Freshness {
    let signed = world
        .api
        .freshness(&world.agent(world.hosts[0]), FreshnessGet { deployment })
        .await
        .unwrap();
    opened(world, &signed.envelope).await
}

#[tokio::test]
async fn a_host_gets_what_it_is_in_and_does_not_hold() {
    let world = World::direct().await;
    let group = GroupId(Uuid::from_u128(800));
    for host in &world.hosts[..2] {
        world.change_host(*host, |host| host.groups = vec![group]);
    }
    world.one_wave(Rollout::default());
    world
        .facts
        .lock()
        .unwrap()
        .policies
        .values_mut()
        .for_each(|policy| policy.spec.group = Some(group));
    world.deploy().await;
    world.settle().await;
    assert_eq!(world.ordered().await, world.hosts[..2], "the group's hosts");
    let (digest, order) = world.order(world.hosts[0]).await;
    assert_eq!(order.target.unwrap().group_id, group.to_string());
    assert!(
        world
            .documents(world.hosts[0], vec![digest])
            .await
            .is_empty()
    );
    // A host that joins the group later falls into the range.
    let late = world.host(77);
    assert!(world.orders(late).await.is_empty());
    world.change_host(late, |host| host.groups = vec![group]);
    assert_eq!(world.orders(late).await.len(), 1);
    // Many at once get what each gets alone.
    let ask = |host, held| DocumentsForHost { host, held };
    let hosts = DocumentsForHosts {
        hosts: vec![
            ask(late, vec![]),
            ask(world.hosts[0], vec![digest]),
            ask(world.hosts[1], vec![]),
            ask(world.hosts[2], vec![]),
            ask(HostId::new(world.clock.now()), vec![]),
        ],
    };
    let system = world.system();
    let all = world.api.documents_for_hosts(&system, hosts.clone());
    let all = all.await.unwrap();
    assert_eq!(all.documents, world.documents(late, vec![]).await);
    let expected = [(late, vec![digest]), (world.hosts[1], vec![digest])];
    assert_eq!(all.missing, expected);
    for ctx in [world.person(), world.agent(late)] {
        let refused = world.api.documents_for_hosts(&ctx, hosts.clone()).await;
        assert_eq!(refused.unwrap_err().code, ErrorCode::Forbidden);
    }
    let too_many = DocumentsForHosts {
        hosts: vec![ask(late, vec![]); MAX_DOCUMENT_HOSTS + 1],
    };
    let refused = world.api.documents_for_hosts(&system, too_many);
    assert_eq!(refused.await.unwrap_err().code, ErrorCode::BadUserInput);
    // A quarantined one gets nothing to do.
    world.change_host(late, |host| host.quarantined = true);
    assert!(world.orders(late).await.is_empty());
    // A host that refused has its answer.
    let answer = OrderAnswered {
        host: world.hosts[1],
        order: digest,
        accepted: false,
        refusal: "audit_only".into(),
        detail: "told so\0".into(),
    };
    let ctx = world.agent(world.hosts[1]);
    world.api.order_answer(&ctx, answer.clone()).await.unwrap();
    world.api.order_answer(&ctx, answer).await.unwrap();
    assert!(world.orders(world.hosts[1]).await.is_empty());
    let run = world.run_of(world.hosts[1]).await;
    assert_eq!(run.status, RunStatus::Refused);
    assert_eq!(run.error.unwrap().code, "audit_only");
    let ended = world.events().await;
    let ended = ended
        .iter()
        .filter(|event| matches!(event, SchedulerEventV1::RunEnded { .. }));
    assert_eq!(ended.count(), 1, "the refusal goes to the ledger once");
}

#[tokio::test]
async fn a_halt_is_released_at_once_and_freshness_ends() {
    let world = World::direct().await;
    world.one_wave(Rollout::default());
    let id = world.deploy().await.id;
    world.settle().await;
    let before = fresh(&world, id).await;
    assert!(before.running && before.sequence == 1);
    assert_eq!(before.at_ms, world.clock.now().timestamp_millis());
    world
        .api
        .deployment_halt(&world.person(), change(id, "smoke"))
        .await
        .unwrap();
    assert!(!fresh(&world, id).await.running);
    // No background work has run since.
    for host in &world.hosts {
        let documents = world.documents(*host, vec![]).await;
        assert_eq!(documents.len(), 1, "the halt, and no order any more");
        let halt: Halt = opened(&world, &documents[0].envelope).await;
        assert_eq!((halt.sequence, halt.reason.as_str()), (1, "smoke"));
        assert_eq!(halt.deployment_id, id.to_string());
        assert!(
            world
                .documents(*host, vec![documents[0].digest])
                .await
                .is_empty()
        );
    }
}

#[tokio::test]
async fn the_time_is_signed_with_its_nonce() {
    let world = World::direct().await;
    let nonce = vec![5; 32];
    let signed = world
        .api
        .time_sign(
            &world.system(),
            TimeSign {
                nonce: nonce.clone(),
            },
        )
        .await
        .unwrap();
    let time: Time = opened(&world, &signed.envelope).await;
    assert_eq!(time.nonce, nonce);
    assert_eq!(time.at_ms, world.clock.now().timestamp_millis());
    // It is no freshness statement.
    let envelope = Envelope::decode(signed.envelope.as_slice()).unwrap();
    assert!(open_envelope::<Freshness>(&envelope, &[world.director().await], 1).is_err());
}

#[tokio::test]
async fn people_and_other_agents_are_turned_away() {
    let world = World::direct().await;
    let (host, other) = (world.hosts[0], world.hosts[1]);
    let asked = DocumentsForHost { host, held: vec![] };
    for ctx in [world.person(), world.agent(other)] {
        let answer = world.api.documents_for_host(&ctx, asked.clone()).await;
        assert_eq!(answer.unwrap_err().code, ErrorCode::Forbidden);
    }
    let agent = world.agent(host);
    let key = world.api.director_key(&agent, DirectorKeyGet {});
    assert_eq!(key.await.unwrap_err().code, ErrorCode::Forbidden);
    let events = world.api.events(&agent, EventsAfter::default());
    assert_eq!(events.await.unwrap_err().code, ErrorCode::Forbidden);
}

#[tokio::test]
async fn finding_a_hosts_documents_reads_by_index() {
    let world = World::direct().await;
    let tx = world.test.database().read(&world.system()).await.unwrap();
    for sql in [
        "select d.digest, p.group_id from scheduler.documents d join scheduler.deployments p on p.tenant_id = d.tenant_id and p.id = d.deployment_id \
         where d.released and d.not_after > now() and (d.kind = 'halt' or (p.status = 'running' and d.sequence >= p.floor))",
        "select id from scheduler.runs where host_id = '00000000-0000-0000-0000-000000000001' and order_digest = '\\x00' and ended_at is not null",
        "select id from scheduler.runs where deployment_id = '00000000-0000-0000-0000-000000000001' and ended_at is null",
        "select id from scheduler.runs where deployment_id = '00000000-0000-0000-0000-000000000001' and status = 'succeeded' and confirmed is null",
        "select id from scheduler.runs where wave_id = '00000000-0000-0000-0000-000000000001'",
    ] {
        let plan = netpatch_testkit::plan(&tx, sql).await.unwrap();
        assert!(!plan.contains("Seq Scan"), "{sql}\n{plan}");
    }
}
