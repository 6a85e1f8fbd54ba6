//! netpatch-proof
