//! netpatch-policy

fn main() {}
