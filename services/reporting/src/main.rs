//! netpatch-reporting

fn main() {}
