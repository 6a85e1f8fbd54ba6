//! The edge with services that the tests play: who is let in, what is acknowledged, what is delivered.

mod certificate;
mod delivery;
mod delta;
mod drain;
mod enrolment;
mod hostile;
mod parts;
mod refused;
mod session;
mod two_edges;
mod world;
