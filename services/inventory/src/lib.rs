//! netpatch-inventory
