//! netpatch-agent

fn main() {}
