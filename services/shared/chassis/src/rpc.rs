//! Calls between services: one trait, and from it a router and a client.
//!
//! A call is `POST /rpc/<service>/<method>` with a JSON body; the answer is JSON, or a
//! [`netpatch_types::ServiceError`] with the status of its code. The [`netpatch_types::RequestContext`] travels in
//! the header `netpatch-context`, signed for one audience and valid for at most 60 seconds, with `traceparent`
//! beside it. Deliberately absent: streaming (events are read by cursor), retries (callers know what is
//! idempotent), service discovery.

pub mod client;
pub mod key;
pub mod server;
pub mod token;
pub mod transport;
pub mod wire;

pub use client::RpcClient;
pub use key::ContextVerifier;
pub use server::RpcRouter;
pub use transport::{Transport, TransportError};

use axum::Router;
use std::sync::Arc;

/// The header that carries the signed request context.
pub const CONTEXT_HEADER: &str = "netpatch-context";

/// The largest request body a router reads, in bytes: a full inventory of a large host fits.
pub const REQUEST_LIMIT_BYTES: usize = 32 * 1024 * 1024;

/// The largest answer a client reads, in bytes.
pub const RESPONSE_LIMIT_BYTES: usize = 64 * 1024 * 1024;

/// A service interface that can be called in this process or in another one. Implemented for `dyn XApi` by
/// [`rpc_service!`](crate::rpc_service).
pub trait RpcService: Send + Sync + 'static {
    /// The service's name: path segment and audience of the request context.
    const NAME: &'static str;

    /// Serves an object.
    fn router(api: Arc<Self>, verifier: ContextVerifier) -> Router;

    /// An object that calls the other process.
    fn client(rpc: RpcClient) -> Arc<Self>;
}

/// Makes from the methods of a service its trait, its axum router and its HTTP client.
///
/// Every method takes `&RequestContext` and one request and returns `ServiceResult<response>`; requests and
/// responses are plain serde types. `dyn XApi` implements [`RpcService`](crate::rpc::RpcService), so
/// [`wire`](crate::wire) and [`through_rpc`](crate::through_rpc) work on it.
///
/// ```
/// use netpatch_types::{RequestContext, ServiceError, ServiceResult, SystemClock};
/// use serde::{Deserialize, Serialize};
/// use std::sync::Arc;
///
/// /// Which lamp.
/// #[derive(Debug, Serialize, Deserialize)]
/// pub struct LampGet {
///     /// Its room.
///     pub room: String,
/// }
///
/// netpatch_chassis::rpc_service! {
///     /// What the house knows about light.
///     pub service LampApi, LampClient, fn lamp_router, "lamp" {
///         /// Whether a lamp is on.
///         lamp_get(LampGet) -> bool;
///         /// How many lamps there are.
///         lamp_count(()) -> u64;
///     }
/// }
///
/// struct Lamps;
///
/// #[async_trait::async_trait]
/// impl LampApi for Lamps {
///     async fn lamp_get(&self, _: &RequestContext, request: LampGet) -> ServiceResult<bool> {
///         if request.room == "hall" { Ok(true) } else { Err(ServiceError::not_found("lamp")) }
///     }
///
///     async fn lamp_count(&self, _: &RequestContext, (): ()) -> ServiceResult<u64> {
///         Ok(1)
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// # use netpatch_types::Clock;
/// let clock = SystemClock::shared();
/// let ctx = RequestContext::system(netpatch_types::TenantId::new(clock.now()), "example", clock.now());
/// let lamps: Arc<dyn LampApi> = netpatch_chassis::through_rpc(Arc::new(Lamps) as Arc<dyn LampApi>, clock);
/// assert_eq!(lamps.lamp_count(&ctx, ()).await, Ok(1));
/// let absent = lamps.lamp_get(&ctx, LampGet { room: "attic".into() }).await;
/// assert_eq!(absent, Err(ServiceError::not_found("lamp")));
/// # });
/// ```
#[macro_export]
macro_rules! rpc_service {
    (
        $(#[$doc:meta])*
        $vis:vis service $api:ident, $client:ident, fn $router:ident, $name:literal {
            $($(#[$method_doc:meta])* $method:ident($request:ty) -> $response:ty;)*
        }
    ) => {
        $(#[$doc])*
        #[$crate::__private::async_trait]
        $vis trait $api: Send + Sync + 'static {
            $(
                $(#[$method_doc])*
                async fn $method(
                    &self,
                    ctx: &$crate::__private::RequestContext,
                    request: $request,
                ) -> $crate::__private::ServiceResult<$response>;
            )*
        }

        #[doc = concat!("Calls the service `", $name, "` in another process.")]
        #[derive(Clone, Debug)]
        $vis struct $client {
            rpc: $crate::rpc::RpcClient,
        }

        impl $client {
            /// A client over a connection.
            #[must_use]
            $vis fn new(rpc: $crate::rpc::RpcClient) -> Self {
                Self { rpc }
            }
        }

        #[$crate::__private::async_trait]
        impl $api for $client {
            $(
                async fn $method(
                    &self,
                    ctx: &$crate::__private::RequestContext,
                    request: $request,
                ) -> $crate::__private::ServiceResult<$response> {
                    self.rpc.call(stringify!($method), ctx, &request).await
                }
            )*
        }

        #[doc = concat!("Serves the service `", $name, "` to other processes.")]
        $vis fn $router(
            api: ::std::sync::Arc<dyn $api>,
            verifier: $crate::ContextVerifier,
        ) -> $crate::__private::Router {
            let routes = $crate::rpc::RpcRouter::new($name, verifier);
            $(
                let served = ::std::sync::Arc::clone(&api);
                let routes = routes.method(stringify!($method), move |ctx, request: $request| {
                    let served = ::std::sync::Arc::clone(&served);
                    async move { served.$method(&ctx, request).await }
                });
            )*
            routes.into_router()
        }

        impl $crate::rpc::RpcService for dyn $api {
            const NAME: &'static str = $name;

            fn router(
                api: ::std::sync::Arc<Self>,
                verifier: $crate::ContextVerifier,
            ) -> $crate::__private::Router {
                $router(api, verifier)
            }

            fn client(rpc: $crate::rpc::RpcClient) -> ::std::sync::Arc<Self> {
                ::std::sync::Arc::new($client::new(rpc))
            }
        }
    };
}
