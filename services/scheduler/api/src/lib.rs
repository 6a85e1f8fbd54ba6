//! netpatch-scheduler-api
