//! netpatch-agent
