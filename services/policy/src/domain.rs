//! Pure rules of policy: no IO, no async, time is an argument.

pub(crate) mod approval;
pub(crate) mod baseline;
pub(crate) mod content;
pub(crate) mod decide;
pub(crate) mod exception;
#[cfg(test)]
mod fixture;
pub(crate) mod glob;
pub(crate) mod spec;
pub(crate) mod step;
