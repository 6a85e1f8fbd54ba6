//! netpatch-types
