//! netpatch-policy-api
