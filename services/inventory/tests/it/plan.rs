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
    let stale = "select tenant_id, hash from inventory.manifests where evaluated_epoch < 7 order by tenant_id, hash limit 200";
    let plan = plan(&tx, stale).await.expect("plan");
    assert!(!plan.contains("Seq Scan"), "stale manifests:\n{plan}");
}
