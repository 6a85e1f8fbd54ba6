//! Connections over loopback: certificates, carriers, failover, hostile frames.

mod enrolment;
mod frames;
mod relayed;
mod session;
mod world;
