//! netpatch-agent-core
