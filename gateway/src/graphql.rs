//! The GraphQL API: model, queries, mutations, subscriptions, a file per noun.
//!
//! Invariants
//! - Resolvers see the services' api crates only and act as the [`context::Session`]'s principal, in one organization or,
//!   for reads, in all that the principal reaches.
//! - Resolvers return [`ServiceError`]; one place ([`crate::http`]) turns it into a code. Internal text never leaves.
//! - Every list is a connection whose cost is multiplied by `first`.

pub mod connection;
pub mod context;
pub mod cost;
pub(crate) mod fault;
mod loader;
pub mod model;
pub mod mutation;
pub(crate) mod once;
pub mod query;
pub mod right;
pub mod scalar;
pub mod subscription;

pub(crate) use connection::{Connection, asked};
pub(crate) use context::session;
pub(crate) use loader::Loaders;
pub(crate) use scalar::*;

use async_graphql::Context;
use netpatch_types::ServiceError;

/// What resolvers return.
pub type Result<T, E = ServiceError> = std::result::Result<T, E>;

/// The executable schema.
pub type Schema =
    async_graphql::Schema<query::Query, mutation::Mutation, subscription::Subscription>;

/// Levels of nesting; the standard introspection query needs 15.
pub const DEPTH: usize = 16;
/// Points of one document.
pub const COMPLEXITY: usize = 5000;
/// Directives on one field; the whole document is counted by the HTTP handler.
pub const DIRECTIVES: usize = 20;

/// Builds the schema. Everything that differs per request (who asks, batches, charge) is data of the request.
#[must_use]
pub fn schema() -> Schema {
    async_graphql::Schema::build(
        query::Query::default(),
        mutation::Mutation::default(),
        subscription::Subscription,
    )
    .limit_depth(DEPTH)
    .limit_complexity(COMPLEXITY)
    .limit_recursive_depth(32)
    .limit_directives(DIRECTIVES)
    .disable_suggestions()
    .extension(cost::Charging)
    .extension(fault::Containing)
    .finish()
}

/// The schema in the schema definition language, as in `gateway/schema.graphql`.
#[must_use]
pub fn sdl() -> String {
    let options = async_graphql::SDLExportOptions::new()
        .sorted_fields()
        .sorted_arguments()
        .sorted_enum_items()
        .include_specified_by();
    let mut sdl = schema().sdl_with_options(options);
    sdl.truncate(sdl.trim_end().len());
    sdl.push('\n');
    sdl
}

pub(crate) fn loaders<'a>(ctx: &Context<'a>) -> Result<&'a Loaders> {
    ctx.data_opt::<Loaders>().ok_or_else(|| {
        tracing::error!("a request without loaders reached a resolver");
        ServiceError::internal()
    })
}
