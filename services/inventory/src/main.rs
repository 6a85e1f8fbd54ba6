//! netpatch-inventory

fn main() {}
