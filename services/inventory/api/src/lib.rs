//! netpatch-inventory-api
