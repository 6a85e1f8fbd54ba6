//! Cross-service tests: every role over one real PostgreSQL, in both topologies.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test may fail")]

mod holes;
mod host;
mod sandbox;
mod the_loop;
