//! netpatch

fn main() {}
