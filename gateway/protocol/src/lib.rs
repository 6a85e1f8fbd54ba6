//! netpatch-protocol
