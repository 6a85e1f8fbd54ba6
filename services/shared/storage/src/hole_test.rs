//! Looks for holes in the tenancy: compares the database's own catalog with the list of tables (`tables.txt`).
//!
//! What it proves: every table is listed; a tenant table has forced row-level security, exactly the policies of this crate, and
//! `tenant_id` at the head of every key; no serving role has more rights than its kind and line say, owns anything, or may step
//! around row-level security; definer functions are pinned and not public.

mod catalog;
mod rules;

use crate::tables::{self, TableList};
use crate::{Database, StorageError, StorageResult};

/// The violations in this database against the platform's list; empty is good. Listed tables of absent schemas do not count.
pub async fn hole_test(db: &Database) -> StorageResult<Vec<String>> {
    compare(db, &tables::platform().map_err(StorageError::Setting)?).await
}

/// The violations against another list.
pub async fn compare(db: &Database, list: &TableList) -> StorageResult<Vec<String>> {
    let tx = db.directory_tx().await?;
    let facts = catalog::read(&tx).await?;
    tx.rollback().await?;
    Ok(rules::violations(&facts, list))
}
