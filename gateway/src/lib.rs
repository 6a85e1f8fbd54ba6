//! netpatch-gateway
