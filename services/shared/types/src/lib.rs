//! Words that every crate shares: ids, tenants, clock, severity, package URLs, version orders, CVSS scores, error codes.
//!
//! Invariants: no IO except [`SystemClock`], which is the one place that reads the wall clock. Nothing here
//! knows a service, a database or a network.

pub mod address;
mod base32;
pub mod clock;
pub mod component;
pub mod context;
pub mod criticality;
pub mod cvss;
pub mod doctor;
pub mod ecosystem;
pub mod error;
pub mod event;
pub mod firmware;
pub mod hash;
pub mod id;
pub mod label;
pub mod page;
pub mod purl;
mod release;
pub mod severity;
pub mod version;
pub mod week;

pub use clock::{Clock, SharedClock, SystemClock};
pub use component::{ComponentKey, InvalidComponent, MAX_COMPONENTS, MAX_FIELD_BYTES};
pub use context::{Actor, ActorKind, Permission, RequestContext};
pub use criticality::Criticality;
pub use ecosystem::Ecosystem;
pub use error::{ErrorCode, ServiceError, ServiceResult};
pub use event::{Cursor, EventEnvelope, EventPage, EventsAfter};
pub use hash::Sha256;
pub use id::*;
pub use label::{Labels, Selector};
pub use page::{Page, PageRequest};
pub use purl::Purl;
pub use release::{distribution_name, release_name};
pub use severity::{Classification, Severity};
pub use week::{Bandwidth, BandwidthRule, WeekHours};
