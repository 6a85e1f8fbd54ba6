//! netpatch-tunnel
