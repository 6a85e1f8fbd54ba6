//! The rules of inventory: reading feeds, matching, risk, counting. No IO, no async; time is an argument.

pub mod accept;
pub mod advisory;
pub mod affected;
pub mod alpine_secdb;
pub mod classify;
pub mod compliance;
pub mod content;
pub mod cve;
pub mod dpkg;
pub mod enrich;
pub mod exposure;
pub mod index;
pub mod interval;
pub mod lines;
pub mod link;
pub mod manifest;
pub mod merge;
pub mod name;
pub mod node_security;
pub mod osv;
pub mod requirement;
pub mod risk;
pub mod rustsec;
pub mod ssvc;
pub mod subject;
