//! Version orders and scores against published vectors, other implementations and the systems' own tools.

mod constraint;
mod cvss;
mod order;
mod purl;
mod validity;
mod vectors;
