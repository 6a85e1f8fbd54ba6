//! A stampede: all hosts of a site want the same payload, which nobody holds, over a narrow line.

use super::client::Client;
use super::origin::{self, Origin};
use super::peers::{Kind, Peer, Settings};
use crate::report::{Goal, Report, figure};
use anyhow::Result;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

#[derive(clap::Args)]
pub(crate) struct StampedeOptions {
    /// How many hosts
    #[arg(long, default_value_t = 200)]
    clients: usize,
    /// Bytes of the payload
    #[arg(long, default_value_t = 200_000_000)]
    bytes: usize,
    /// Megabits a second of the site's line
    #[arg(long, default_value_t = 50.0)]
    megabits: f64,
    /// A server is given up after so many seconds
    #[arg(long, default_value_t = 120)]
    patience: u64,
}

struct Ended {
    /// When the last host had its last byte; `None` when patience ended first.
    last: Option<Duration>,
    line_bytes: u64,
    cpu: Duration,
}

pub(crate) async fn run(options: &StampedeOptions, seed: u64) -> Result<Report> {
    let mut report = Report::new("stampede", seed);
    report.scene("clients", options.clients);
    report.scene("bytes", options.bytes);
    report.scene("line", format!("{} Mbit/s", options.megabits));
    let ours = one(options, Kind::Relay, false).await?;
    let tuned = one(options, Kind::Nginx, true).await?;
    let plain = one(options, Kind::Nginx, false).await?;
    let line_seconds = options.bytes as f64 * 8.0 / (options.megabits * 1e6);
    report.row("the line alone", line_seconds, "s", "the payload once");
    for (name, ended) in [
        ("relay", &ours),
        ("nginx with proxy_cache_lock", &tuned),
        ("nginx as it comes", &plain),
    ] {
        let times = figure(usize::try_from(ended.line_bytes)?) / figure(options.bytes);
        let note = match ended.last {
            Some(last) => format!(
                "last byte after {:.1} s, {:.1} CPU-s",
                last.as_secs_f64(),
                ended.cpu.as_secs_f64()
            ),
            None => format!("given up after {} s", options.patience),
        };
        match name {
            "relay" => report.goal(
                format!("{name}: bytes on the line"),
                times,
                "times the file",
                Goal::AtMost(1.0),
                note,
            ),
            _ => report.row(
                format!("{name}: bytes on the line"),
                times,
                "times the file",
                note,
            ),
        }
    }
    if let (Some(ours), Some(tuned)) = (ours.last, tuned.last) {
        let ratio = ours.as_secs_f64() / tuned.as_secs_f64();
        report.goal(
            "last byte against nginx with proxy_cache_lock",
            ratio,
            "times",
            Goal::AtMost(0.85),
            "",
        );
    }
    Ok(report)
}

async fn one(options: &StampedeOptions, kind: Kind, lock: bool) -> Result<Ended> {
    let origin = Origin::start(Some(options.megabits * 1e6)).await?;
    let peer = Peer::start(kind, origin.address(), &Settings { lock }).await?;
    let request = peer.request(&origin::path(options.bytes, 0));
    let started = Instant::now();
    let mut hosts = JoinSet::new();
    for _ in 0..options.clients {
        let mut client = Client::connect(&peer).await?;
        let request = request.clone();
        hosts.spawn(async move { client.get(&request).await });
    }
    let all = async {
        while let Some(done) = hosts.join_next().await {
            anyhow::ensure!(done?? == options.bytes, "a host got another length");
        }
        Ok(started.elapsed())
    };
    let last = match tokio::time::timeout(Duration::from_secs(options.patience), all).await {
        Ok(last) => Some(last?),
        Err(_) => None,
    };
    let ended = Ended {
        last,
        line_bytes: origin.bytes(),
        cpu: peer.cpu()?,
    };
    peer.stop().await?;
    Ok(ended)
}
