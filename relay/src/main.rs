//! netpatch-relay

fn main() {}
