//! A line between two namespaces: packets come out of one TUN device and go into the other one later, or never.
//!
//! A process of its own, so that it can have a core of its own. Each direction has the same rate, delay and loss and a queue of its
//! own; packets are never swapped.

use super::quality::Quality;
use anyhow::{Context as _, Result};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use std::io::Read as _;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};
use tun_rs::{DeviceBuilder, Layer, SyncDevice};

/// Packets under way in one direction; more make the reader wait.
const UNDER_WAY: usize = 16_384;
/// Bytes of the longest packet.
const LONGEST: usize = 65_536;
/// A device that has no namespace yet answers with errors.
const AGAIN: Duration = Duration::from_millis(1);

/// Options of `wan-line`.
#[derive(clap::Args)]
pub(crate) struct LineOptions {
    /// Name of the device of the one who asks
    #[arg(long)]
    near: String,
    /// Name of the other device
    #[arg(long)]
    far: String,
    #[command(flatten)]
    quality: Quality,
}

/// Makes the devices, says so, and carries packets until its standard input ends.
pub(crate) fn carry(options: &LineOptions, seed: u64) -> Result<()> {
    let device = |name: &str| {
        let built = DeviceBuilder::new()
            .name(name)
            .layer(Layer::L3)
            .build_sync();
        built
            .map(Arc::new)
            .with_context(|| format!("make the device {name}: run as root"))
    };
    let (near, far) = (device(&options.near)?, device(&options.far)?);
    for (from, to, seed) in [
        (&near, &far, seed.wrapping_mul(2)),
        (&far, &near, seed.wrapping_mul(2) + 1),
    ] {
        let (sender, receiver) = sync_channel(UNDER_WAY);
        let (from, to, quality) = (from.clone(), to.clone(), options.quality);
        thread::spawn(move || take(&from, &sender, &quality, seed));
        thread::spawn(move || give(&to, &receiver));
    }
    println!("ready");
    let _ = std::io::stdin().read(&mut [0; 1]);
    Ok(())
}

/// Decides when each packet arrives.
fn take(from: &SyncDevice, sender: &SyncSender<(Instant, Vec<u8>)>, quality: &Quality, seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut packet = vec![0; LONGEST];
    let mut free = Instant::now();
    loop {
        let Ok(length) = from.recv(&mut packet) else {
            thread::sleep(AGAIN);
            continue;
        };
        let now = Instant::now();
        if random.random_bool(quality.loss()) {
            continue;
        }
        free = free.max(now);
        if free - now > quality.queue() {
            continue;
        }
        free += quality.on_line(length);
        let bytes = packet.get(..length).unwrap_or_default().to_vec();
        if sender.send((free + quality.one_way(), bytes)).is_err() {
            return;
        }
    }
}

/// Sends packets on when they are due.
fn give(to: &SyncDevice, receiver: &Receiver<(Instant, Vec<u8>)>) {
    for (due, packet) in receiver {
        let left = due.saturating_duration_since(Instant::now());
        if !left.is_zero() {
            thread::sleep(left);
        }
        let _ = to.send(&packet);
    }
}
