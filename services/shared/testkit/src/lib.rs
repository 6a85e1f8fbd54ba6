//! netpatch-testkit
