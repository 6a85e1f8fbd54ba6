//! Real packages of real builders, and recipes that lie.

mod hostile;
mod packages;
mod world;
