//! netpatch-reporting-api
