//! Version orders and scores against published vectors, other implementations and the systems' own tools.

mod constraint;
mod order;
mod validity;
mod vectors;
