//! netpatch-relay-core
