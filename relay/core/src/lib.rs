//! The relay's decisions without its sockets and disks: which payloads may be had, what is fresh, what is kept.
//!
//! Invariants: only repositories of the site's settings are served; a path never leaves its repository; the bytes held
//! stay within the budget; metadata is given up before packages, and what a deployment still needs is never given
//! up; one fill per payload, however many ask; a host is probed only where its own connection comes from. Time is an argument (Unix seconds). No IO.

pub mod address;
pub mod bandwidth;
pub mod contents;
pub mod flight;
pub mod freshness;
pub mod index;
pub mod key;
pub mod pace;
pub mod package;
pub mod probe;
pub mod range;
pub mod staging;
pub mod upstream;

pub use bandwidth::{Bucket, Priority, Turn, bandwidth_of};
pub use contents::Contents;
pub use flight::{Flights, Role};
pub use freshness::{Decision, Validators};
pub use index::{Admission, CacheIndex, Entry};
pub use key::{BadKey, KeyId, PayloadKey, PayloadKind};
pub use pace::Pace;
pub use range::{ByteRange, NotSatisfiable};
pub use upstream::Upstreams;
