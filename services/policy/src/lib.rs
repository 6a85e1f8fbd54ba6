//! netpatch-policy
