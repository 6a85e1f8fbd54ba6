//! netpatch-auth
