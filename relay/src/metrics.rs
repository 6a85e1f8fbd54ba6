//! `/metrics`: the relay's numbers in Prometheus' text format (version 0.0.4), for the site's own monitoring.
//!
//! A port that is taken costs the numbers, not the site: the relay says so and runs on without them.

use crate::cache::Cache;
use crate::counters::{Counted, Counters, FILL_MILLIS};
use crate::uplink::LinkState;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use netpatch_tunnel::Identity;
use netpatch_tunnel::identity::validity;
use netpatch_types::SharedClock;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Readers at once; more wait.
const READERS: usize = 8;
/// A reader has this long.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is shown.
#[derive(Clone)]
pub(crate) struct Metrics {
    pub(crate) cache: Arc<Cache>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) link: watch::Receiver<LinkState>,
    pub(crate) identity: watch::Receiver<Identity>,
    pub(crate) clock: SharedClock,
}

/// Listens, if it is wanted and the port is free; where.
pub(crate) fn serve(
    at: Option<SocketAddr>,
    metrics: Metrics,
    tasks: &mut JoinSet<()>,
) -> Option<SocketAddr> {
    let at = at?;
    let bound = std::net::TcpListener::bind(at).and_then(|listener| {
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener)
    });
    let listening = bound.and_then(|listener| Ok((listener.local_addr()?, listener)));
    match listening {
        Ok((address, listener)) => {
            tasks.spawn(accept(listener, metrics));
            Some(address)
        }
        Err(error) => {
            tracing::error!(%at, %error, "cannot listen for metrics; running without them");
            None
        }
    }
}

/// Never ends.
async fn accept(listener: TcpListener, metrics: Metrics) {
    let mut readers = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = readers.join_next() => {}
            accepted = listener.accept(), if readers.len() < READERS => match accepted {
                Ok((stream, _)) => {
                    let metrics = metrics.clone();
                    let service = service_fn(move |request| {
                        let answer = answer(&metrics, &request);
                        async move { Ok::<_, Infallible>(answer) }
                    });
                    let serving = hyper::server::conn::http1::Builder::new()
                        .timer(TokioTimer::new())
                        .header_read_timeout(PATIENCE)
                        .keep_alive(false)
                        .serve_connection(TokioIo::new(stream), service);
                    readers.spawn(async move {
                        let _ = tokio::time::timeout(PATIENCE, serving).await;
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a reader of the metrics");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            },
        }
    }
}

fn answer(metrics: &Metrics, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let (status, text) = match (request.method(), request.uri().path()) {
        (&Method::GET, "/metrics") => (StatusCode::OK, metrics.sample().to_text()),
        (_, "/metrics") => (StatusCode::METHOD_NOT_ALLOWED, "only GET\n".to_owned()),
        _ => (StatusCode::NOT_FOUND, "only /metrics\n".to_owned()),
    };
    let mut answer = Response::new(Full::new(Bytes::from(text)));
    *answer.status_mut() = status;
    let kind = header::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    answer.headers_mut().insert(header::CONTENT_TYPE, kind);
    answer
}

impl Metrics {
    fn sample(&self) -> Sample {
        let usage = self.cache.usage();
        let now = self.clock.now().timestamp();
        let ends = validity(&self.identity.borrow().certificate).map_or(now, |(_, to)| to);
        Sample {
            is_online: self.link.borrow().link.is_some(),
            counted: self.counters.now(),
            cache_bytes: usage.used_bytes,
            cache_budget_bytes: usage.budget_bytes,
            payloads: usage.payloads,
            certificate_seconds: ends - now,
        }
    }
}

/// The numbers at one moment.
#[derive(Clone, Copy, Debug, Default)]
struct Sample {
    is_online: bool,
    counted: Counted,
    cache_bytes: u64,
    cache_budget_bytes: u64,
    payloads: usize,
    certificate_seconds: i64,
}

impl Sample {
    fn to_text(self) -> String {
        let c = self.counted;
        let mut text = Text(String::new());
        let help = "Whether the connection to the edge is up";
        text.gauge("online", help, u8::from(self.is_online));
        text.gauge("agents", "Agents connected now", c.agents);
        text.gauge("sessions", "Sessions carried now", c.sessions);
        let help = "Requests answered from the cache, or from a fill that another request began";
        text.counter("cache_hits_total", help, c.hits);
        let help = "Requests that began a fill from an upstream";
        text.counter("cache_fills_total", help, c.misses);
        let help = "Hits by all requests; 0 before the first";
        text.gauge("cache_hit_ratio", help, share(c.hits, c.hits + c.misses));
        let help = "Payload bytes sent to agents";
        text.counter("payload_served_bytes_total", help, c.bytes_served);
        let help = "Payload bytes received from upstreams and bytes of recipes, over the WAN";
        text.counter("payload_wan_bytes_total", help, c.bytes_fetched);
        let help = "Of these, bytes of recipes";
        text.counter("recipe_wan_bytes_total", help, c.recipe_bytes);
        let help = "Payloads rebuilt from an older version and a recipe";
        text.counter("payload_deltas_total", help, c.deltas);
        let help = "How much shorter the recipes of these were than the payloads";
        text.counter("delta_saved_bytes_total", help, c.delta_saved_bytes);
        let help = "Payloads that came from those that the platform keeps";
        text.counter("payload_stored_total", help, c.stored);
        text.fills(&c);
        let help = "Payload bytes served that did not cross the WAN again";
        let saved = c.bytes_served.saturating_sub(c.bytes_fetched);
        text.gauge("payload_saved_bytes", help, saved);
        text.gauge(
            "cache_bytes",
            "Bytes that the cache holds",
            self.cache_bytes,
        );
        let help = "Bytes that the cache may hold";
        text.gauge("cache_budget_bytes", help, self.cache_budget_bytes);
        let help = "Payloads that the cache holds";
        text.gauge("cache_payloads", help, self.payloads);
        let help = "How long the relay's certificate still holds";
        text.gauge(
            "certificate_expires_seconds",
            help,
            self.certificate_seconds,
        );
        text.0
    }
}

#[allow(clippy::cast_precision_loss, reason = "a ratio is a float")]
fn share(part: u64, all: u64) -> f64 {
    if all == 0 {
        0.0
    } else {
        part as f64 / all as f64
    }
}

/// Milliseconds as seconds with no more digits than needed.
fn seconds(millis: u64) -> String {
    let text = format!("{}.{:03}", millis / 1_000, millis % 1_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Families in the text format.
struct Text(String);

impl Text {
    fn counter(&mut self, name: &str, help: &str, value: impl std::fmt::Display) {
        self.family("counter", name, help, &value);
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl std::fmt::Display) {
        self.family("gauge", name, help, &value);
    }

    /// How long fills took.
    fn fills(&mut self, counted: &Counted) {
        let name = "netpatch_relay_fill_seconds";
        let _ = write!(
            self.0,
            "# HELP {name} How long payloads took from their upstream, from the request to the last byte\n# TYPE {name} histogram\n"
        );
        let bounds = FILL_MILLIS.iter().map(|bound| seconds(*bound));
        let bounds = bounds.chain(["+Inf".to_owned()]);
        let mut count = 0_u64;
        for (bound, fills) in bounds.zip(counted.fills) {
            count = count.saturating_add(fills);
            let _ = writeln!(self.0, "{name}_bucket{{le=\"{bound}\"}} {count}");
        }
        let sum = seconds(counted.fill_millis);
        let _ = write!(self.0, "{name}_sum {sum}\n{name}_count {count}\n");
    }

    fn family(&mut self, kind: &str, name: &str, help: &str, value: &dyn std::fmt::Display) {
        let name = format!("netpatch_relay_{name}");
        let _ = write!(
            self.0,
            "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_has_each_family_once_and_the_ratio_of_nothing_is_0() {
        let counted = Counted {
            hits: 3,
            misses: 1,
            bytes_served: 900,
            bytes_fetched: 300,
            fills: [0, 2, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1],
            fill_millis: 2_001_050,
            ..Counted::default()
        };
        let text = Sample {
            counted,
            ..Sample::default()
        }
        .to_text();
        for line in [
            "netpatch_relay_cache_hit_ratio 0.75",
            "netpatch_relay_payload_wan_bytes_total 300",
            "netpatch_relay_payload_saved_bytes 600",
            "netpatch_relay_cache_fills_total 1",
            "# TYPE netpatch_relay_cache_hits_total counter",
            "# TYPE netpatch_relay_fill_seconds histogram",
            "netpatch_relay_fill_seconds_bucket{le=\"0.05\"} 0",
            "netpatch_relay_fill_seconds_bucket{le=\"0.1\"} 2",
            "netpatch_relay_fill_seconds_bucket{le=\"1\"} 3",
            "netpatch_relay_fill_seconds_bucket{le=\"1800\"} 3",
            "netpatch_relay_fill_seconds_bucket{le=\"+Inf\"} 4",
            "netpatch_relay_fill_seconds_sum 2001.05",
            "netpatch_relay_fill_seconds_count 4",
        ] {
            assert_eq!(text.lines().filter(|one| *one == line).count(), 1, "{line}");
        }
        let names = text.lines().filter(|line| line.starts_with("# TYPE"));
        let all: Vec<&str> = names.collect();
        let distinct: std::collections::BTreeSet<&&str> = all.iter().collect();
        assert_eq!(all.len(), distinct.len());
        assert!(Sample::default().to_text().contains("_hit_ratio 0\n"));
    }
}
