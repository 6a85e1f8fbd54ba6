//! netpatch-relay
