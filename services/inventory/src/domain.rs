//! The rules of inventory: reading feeds, matching, risk, counting. No IO, no async; time is an argument.

pub mod accept;
pub mod advisory;
pub mod classify;
pub mod compliance;
pub mod content;
pub mod cve;
pub mod enrich;
pub mod exposure;
pub mod index;
pub mod lines;
pub mod link;
pub mod manifest;
pub mod merge;
pub mod osv;
pub mod risk;
