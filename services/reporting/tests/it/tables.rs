//! Row-level security has no holes.

use crate::rig::Rig;

#[tokio::test]
async fn the_schema_is_as_listed() {
    let rig = Rig::new().await;
    let holes = netpatch_storage::hole_test(rig.database.database())
        .await
        .unwrap();
    assert!(holes.is_empty(), "{holes:#?}");
}

#[tokio::test]
async fn entries_cannot_be_changed_by_the_service() {
    let rig = Rig::new().await;
    for sql in [
        "update reporting.ledger_entries set action = 'x'",
        "delete from reporting.ledger_entries",
        "update reporting.ledger_documents set envelope = ''",
        "delete from reporting.ledger_checkpoints",
    ] {
        let tx = rig.database.database().write(&rig.ctx).await.unwrap();
        assert!(tx.execute(sql, []).await.is_err(), "{sql}");
    }
}
