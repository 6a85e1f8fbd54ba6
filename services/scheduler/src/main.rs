//! netpatch-scheduler

fn main() {}
