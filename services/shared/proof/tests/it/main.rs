//! Tests of the public interface.

mod merkle;
mod program;
