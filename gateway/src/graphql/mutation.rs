//! Mutations: one `input`, one payload with nullable objects and `userErrors`.

/// What can be changed.
pub type Mutation = async_graphql::EmptyMutation;
