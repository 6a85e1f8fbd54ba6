//! What PostgreSQL would do for a query.

use netpatch_storage::{StorageResult, Tx};
use sea_orm::{ConnectionTrait as _, DbBackend, Statement};

/// The plan of a query without placeholders, with sequential scans made as dear as can be: one that is left in the plan means that no
/// index serves the query (under row-level security only leakproof comparisons use one). A plan test asserts that it has no `Seq Scan`.
pub async fn plan<S: Send + Sync>(tx: &Tx<S>, sql: &str) -> StorageResult<String> {
    tx.execute("set local enable_seqscan = off", []).await?;
    let explain = Statement::from_string(DbBackend::Postgres, format!("explain {sql}"));
    let rows = tx.query_all_raw(explain).await?;
    let lines: Result<Vec<String>, _> = rows.iter().map(|row| row.try_get_by_index(0)).collect();
    Ok(lines?.join("\n"))
}
