//! Connections over loopback: certificates, carriers, failover, hostile frames.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test may fail")]

mod enrolment;
mod frames;
mod idle;
mod line;
mod lossy;
mod network;
mod proxy;
mod relayed;
mod session;
mod silence;
mod storm;
mod tcp;
mod world;
