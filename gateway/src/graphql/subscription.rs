//! Subscriptions.

/// What can be followed.
pub type Subscription = async_graphql::EmptySubscription;
