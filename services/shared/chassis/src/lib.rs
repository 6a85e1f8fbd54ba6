//! netpatch-chassis
