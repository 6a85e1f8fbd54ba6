//! Ten thousand mutations by a relay that was really claimed, and no effect but delay and refusal.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test may fail")]

mod mutations;
