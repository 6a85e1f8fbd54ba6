//! A small service to call: lamps in rooms.

use async_trait::async_trait;
use chrono::{DateTime, TimeZone, Utc};
use netpatch_types::{Clock, RequestContext, ServiceError, ServiceResult, TenantId};
use serde::{Deserialize, Serialize};
use std::sync::Mutex;
use std::time::Duration;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct LampSet {
    pub(crate) room: String,
    pub(crate) on: bool,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Lamp {
    pub(crate) room: String,
    pub(crate) on: bool,
    pub(crate) changed_by: String,
}

netpatch_chassis::rpc_service! {
    /// Lamps in rooms.
    pub(crate) service LampApi, LampClient, fn lamp_router, "lamp" {
        /// Switches a lamp.
        lamp_set(LampSet) -> Lamp;
        /// The length of a text.
        text_measure(String) -> usize;
        /// Never answers.
        wait_forever(()) -> ();
        /// Panics.
        fall_over(()) -> ();
        /// The context as the service sees it.
        context_get(()) -> RequestContext;
    }
}

pub(crate) struct Lamps;

#[async_trait]
impl LampApi for Lamps {
    async fn lamp_set(&self, ctx: &RequestContext, request: LampSet) -> ServiceResult<Lamp> {
        match request.room.as_str() {
            "attic" => Err(ServiceError::invalid("room", "the attic has no lamp")),
            "cellar" => Err(ServiceError::conflict("etag-7")),
            _ => Ok(Lamp {
                room: request.room,
                on: request.on,
                changed_by: ctx.actor.display.clone(),
            }),
        }
    }

    async fn text_measure(&self, _: &RequestContext, text: String) -> ServiceResult<usize> {
        Ok(text.len())
    }

    async fn wait_forever(&self, _: &RequestContext, (): ()) -> ServiceResult<()> {
        std::future::pending().await
    }

    async fn fall_over(&self, _: &RequestContext, (): ()) -> ServiceResult<()> {
        panic!("a secret that no caller may read")
    }

    async fn context_get(&self, ctx: &RequestContext, (): ()) -> ServiceResult<RequestContext> {
        Ok(ctx.clone())
    }
}

/// A clock that only the test moves.
pub(crate) struct HandClock(Mutex<DateTime<Utc>>);

impl HandClock {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(
            Utc.with_ymd_and_hms(2026, 3, 1, 12, 0, 0).unwrap(),
        ))
    }

    pub(crate) fn advance(&self, seconds: i64) {
        *self.0.lock().unwrap() += chrono::Duration::seconds(seconds);
    }
}

impl Clock for HandClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap()
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

/// The platform acting now.
pub(crate) fn context(clock: &dyn Clock) -> RequestContext {
    let now = clock.now();
    RequestContext::system(TenantId::new(now), "a test", now)
}
