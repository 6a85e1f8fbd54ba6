//! netpatch-scheduler
