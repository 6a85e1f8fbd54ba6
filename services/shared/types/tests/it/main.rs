//! Version orders and scores against published vectors, other implementations and the systems' own tools.

mod constraint;
mod cvss;
mod order;
mod validity;
mod vectors;
