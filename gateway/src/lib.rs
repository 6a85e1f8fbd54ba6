//! The gateway: the GraphQL API, the portal's files, sign-in, and (ingress) the agents' and relays' way in.

pub mod graphql;
pub mod throttle;
