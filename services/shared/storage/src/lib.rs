//! netpatch-storage
