//! Checks an evidence pack offline.
fn main() {}
