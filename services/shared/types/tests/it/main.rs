//! Version orders and scores against published vectors, other implementations and the systems' own tools.

mod constraint;
mod cvss;
mod differential;
mod order;
mod property;
mod purl;
mod validity;
mod vectors;
