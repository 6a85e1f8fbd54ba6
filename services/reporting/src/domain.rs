//! Pure rules: what an event says in the ledger, when a delivery is tried again, how a cell is written.

pub(crate) mod draft;
pub(crate) mod notice;
pub(crate) mod retry;
pub(crate) mod sheet;
