//! Pure rules: how targets are cut into waves, when a gate is satisfied, what comes next. Time is an argument.

pub(crate) mod cause;
pub(crate) mod cut;
pub(crate) mod gate;
pub(crate) mod status;
