//! netpatch-reporting
