//! Inventory against real data and a real database.

mod accuracy;
mod status;
