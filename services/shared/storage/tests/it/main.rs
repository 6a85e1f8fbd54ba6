//! Storage against a real PostgreSQL, a real Redis and the embedded S3 server.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may fail"
)]

mod blobs;
mod bus;
mod holes;
mod migrations;
mod outbox;
mod postgres;
mod sample;
mod tenancy;
