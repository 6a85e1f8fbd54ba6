//! A hostile relay between real hosts and the real edge, and what comes of it. For tests and the load test only.
//!
//! ```text
//! plan.rs     (seed, number) ─► when, in which direction, after how many records, what, and the dice for the rest
//! lane.rs     a relay with two hosts ── one mutation after the other, until everybody is well again
//! relay.rs    carries everything, really claimed; slot.rs and tamper.rs do to a record what the plan says
//! impostor.rs plays the edge to a host, and a host to the edge
//! host.rs     the agent's own session, counter, documents and checks; goods.rs: a package manager behind its loopback proxy
//! cloud.rs    the edge of the gateway, and services that write down each effect and compare it with what was meant
//! capture.rs  everything that the relay saw, searched for what it must not see
//! ```
//!
//! The property: whatever the relay does has no effect but delay and refusal. No order is taken that the cloud did not sign for that
//! host, nothing is taken from a host that it did not send, nothing has an effect twice, no wrong byte is installed, nobody panics,
//! memory does not grow, every host comes through again, and what the relay saw holds no secret.
//!
//! Deliberately absent: a real package manager (the agent's tests have them), and packets of QUIC: the relay ends the connections of
//! both sides itself, so nothing below a stream is foreign to it.

mod capture;
mod cloud;
mod goods;
mod host;
mod impostor;
mod lane;
mod plan;
mod relay;
mod slot;
mod tamper;
mod verdict;

pub use capture::{Capture, MARK, SEEN, Tap};
pub use plan::{Act, Mutation, Phase, Way};
pub use verdict::{End, Verdict, memory_bytes, panics};

use anyhow::Result;
use cloud::Cloud;
use goods::Goods;
use lane::{Lane, World};
use netpatch_tunnel::Limits;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Memory is looked at when this part of the mutations is done: what is there by then is there to stay.
const WARM: u64 = 4;

/// What is done.
#[derive(Clone, Debug)]
pub struct Options {
    /// Decides every mutation.
    pub seed: u64,
    /// Which of the plan.
    pub numbers: Range<u64>,
    /// Relays at once.
    pub lanes: usize,
}

/// What came of it.
pub struct Outcome {
    /// What must not be, and how the mutations ended.
    pub verdict: Arc<Verdict>,
    /// What the relays saw.
    pub capture: Arc<Capture>,
    /// How often each kind of thing took effect as it was meant.
    pub effects: BTreeMap<&'static str, u64>,
    /// Panics of this process during it.
    pub panics: u64,
    /// Bytes by which memory grew since a quarter of it was done.
    pub grown_bytes: u64,
    /// How long it took.
    pub took: Duration,
}

/// Runs a part of a plan.
pub async fn run(options: Options) -> Result<Outcome> {
    let (begun, panicked) = (Instant::now(), panics());
    let limits = Limits {
        handshake_timeout: Duration::from_secs(3),
        ..Limits::default()
    };
    let verdict = Arc::<Verdict>::default();
    let world = Arc::new(World {
        cloud: Cloud::start(verdict.clone(), limits).await?,
        goods: Arc::new(Goods::new()?),
        capture: Arc::default(),
        verdict,
        limits,
    });
    let next = Arc::new(AtomicU64::new(options.numbers.start));
    let warm = Arc::new(AtomicU64::new(0));
    let mut lanes = JoinSet::new();
    for _ in 0..options.lanes.max(1) {
        let (world, next, warm) = (world.clone(), next.clone(), warm.clone());
        let options = options.clone();
        lanes.spawn(async move {
            let mut lane = Lane::start(world.clone()).await?;
            let warm_at = (options.numbers.end - options.numbers.start) / WARM;
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= options.numbers.end {
                    break;
                }
                if number - options.numbers.start == warm_at {
                    warm.store(memory_bytes(), Ordering::Relaxed);
                }
                lane.run(Mutation::of(options.seed, number)).await?;
            }
            if !lane.is_well().await? {
                let text = "a host is not well at the end";
                world.verdict.wrong(text.to_owned());
            }
            Ok::<_, anyhow::Error>(())
        });
    }
    while let Some(ended) = lanes.join_next().await {
        ended??;
    }
    for place in world.capture.found() {
        world.verdict.wrong(format!("{place} holds a secret"));
    }
    Ok(Outcome {
        effects: world.cloud.played.effects(),
        verdict: world.verdict.clone(),
        capture: world.capture.clone(),
        panics: panics() - panicked,
        grown_bytes: memory_bytes().saturating_sub(warm.load(Ordering::Relaxed)),
        took: begun.elapsed(),
    })
}
