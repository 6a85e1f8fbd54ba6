//! The gateway: the GraphQL API, the portal's files, sign-in, and (ingress) the agents' and relays' way in.
//!
//! # How a process uses it
//!
//! ```text
//! let apis = Apis { inventory, policy, scheduler, reporting, auth, bus };      // services: the objects or their clients
//! let state = GatewayState::new(apis, Settings { portal: Some(folder), ..Settings::default() }, stop.clone());
//! tasks.spawn("event hub", { let hub = state.hub().clone(); async move { hub.run(stop).await } });
//! tasks.spawn("ledger", ledger::run(state.apis().clone(), stop));         // identity events → ledger
//! tasks.spawn("sites", sites::run(state.apis().clone(), stop));           // identity events → policy
//! process.serve("http", server, netpatch_gateway::router(state))
//! ```
//! The router wants `ConnectInfo<SocketAddr>`, as `netpatch_chassis::Server` gives it; without it all callers without a sign-in share
//! one bucket.

pub mod events;
pub mod graphql;
pub mod http;
pub mod ingress;
pub mod ledger;
pub mod sites;
pub mod state;
pub mod throttle;

pub use graphql::context::Apis;
pub use graphql::sdl;
pub use http::router;
pub use state::{GatewayState, Settings, StatusCodes};
