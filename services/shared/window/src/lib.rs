//! netpatch-window
