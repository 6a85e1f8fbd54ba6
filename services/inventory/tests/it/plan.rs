//! The questions that are asked most are served by indices, row-level security included.

use crate::world::{World, component, update};
use netpatch_testkit::plan;

#[tokio::test]
async fn hot_questions_read_no_whole_table() {
    let world = World::direct().await;
    world.import().await;
    for machine in 1..=3 {
        let host = world.host(machine, &[]).await;
        world
            .report(host, vec![component("curl", "7.88.1-10+deb12u1", "curl")])
            .await;
        world
            .offer(host, vec![update("curl", "curl", "7.88.1-10+deb12u3")])
            .await;
    }
    let (tenant, id) = (world.ctx.read[0].0, "00000000-0000-0000-0000-000000000001");
    let questions = [
        (
            "a host",
            format!("select * from inventory.hosts where tenant_id = '{tenant}' and id = '{id}'"),
        ),
        (
            "hosts by name",
            format!(
                "select * from inventory.hosts where tenant_id = '{tenant}' and (hostname, id) > ('a', '{id}') order by hostname, id limit 10"
            ),
        ),
        (
            "hosts of a manifest",
            format!(
                "select * from inventory.hosts where tenant_id = '{tenant}' and manifest = '\\x00'"
            ),
        ),
        (
            "hosts that reported since",
            format!(
                "select id, manifest from inventory.hosts where tenant_id = '{tenant}' and reported >= '9'::xid8 and manifest is not null"
            ),
        ),
        (
            "hosts that wait for evaluation",
            format!(
                "select host_id from inventory.evaluations where tenant_id = '{tenant}' order by host_id limit 200"
            ),
        ),
        (
            "open findings of a component of a host",
            format!(
                "select e.id from inventory.exposures e join unnest(array['{id}'::uuid], array[1]) r(host_id, component) \
                 on r.host_id = e.host_id and r.component = e.component where e.tenant_id = '{tenant}' and e.closed_at is null"
            ),
        ),
        (
            "open findings of a host",
            format!(
                "select * from inventory.exposures where tenant_id = '{tenant}' and host_id = '{id}' and closed_at is null"
            ),
        ),
        (
            "worst findings",
            format!(
                "select * from inventory.exposures where tenant_id = '{tenant}' and closed_at is null and (risk, id) < (500, '{id}') order by risk desc, id desc limit 10"
            ),
        ),
        (
            "findings of a patch",
            format!(
                "select * from inventory.exposures where tenant_id = '{tenant}' and patch_id = '{id}'"
            ),
        ),
        (
            "hosts that need a patch",
            format!(
                "select * from inventory.host_updates where tenant_id = '{tenant}' and patch_id = '{id}'"
            ),
        ),
        (
            "updates of a host",
            format!(
                "select * from inventory.host_updates where tenant_id = '{tenant}' and host_id = '{id}'"
            ),
        ),
        (
            "a manifest",
            format!(
                "select * from inventory.manifests where tenant_id = '{tenant}' and hash = '\\x00'"
            ),
        ),
        (
            "components by id",
            format!("select * from inventory.components where id = any(array['{id}'::uuid])"),
        ),
    ];
    for (question, sql) in questions {
        let tx = world
            .database
            .database()
            .read(&world.ctx)
            .await
            .expect("transaction");
        let plan = plan(&tx, &sql).await.expect("plan");
        assert!(!plan.contains("Seq Scan"), "{question}:\n{plan}");
    }
    let tx = world
        .database
        .database()
        .worker_tx()
        .await
        .expect("transaction");
    let waiting = "select e.tenant_id from inventory.evaluated e \
        where exists (select 1 from inventory.evaluations w where w.tenant_id = e.tenant_id) order by e.tenant_id";
    let plan = plan(&tx, waiting).await.expect("plan");
    assert!(!plan.contains("Seq Scan"), "who waits:\n{plan}");
}
