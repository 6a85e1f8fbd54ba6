//! The numbers that the site's monitoring reads.

use crate::relay::{Site, within};
use crate::world::{clock, config, limits};
use netpatch_relay::{Config, Relay};
use tokio::io::AsyncReadExt as _;

async fn get(address: &str, path: &str) -> (u16, String) {
    let answer = reqwest::get(format!("http://{address}{path}"))
        .await
        .expect("answers");
    let status = answer.status().as_u16();
    (status, answer.text().await.expect("text"))
}

fn value(text: &str, name: &str) -> f64 {
    let name = format!("netpatch_relay_{name} ");
    let line = text.lines().find_map(|line| line.strip_prefix(&name));
    line.and_then(|value| value.parse().ok())
        .unwrap_or_else(|| panic!("no {name}in {text}"))
}

#[tokio::test]
async fn hits_fills_and_bytes_are_counted_and_nothing_else_is_served() {
    let site = Site::start_at(clock(), |_| {}).await;
    let address = site.relay.status().expect("status").metrics;
    site.upstream.put_bytes("pool/a.deb", &[7; 100_000]);
    let host = site.edge.organization.host();
    let connection = site.client(&host).connection().await.expect("connected");
    for _ in 0..4 {
        let asked = connection.payload(site.request("pool/a.deb")).await;
        let (_, mut stream) = asked.expect("answered");
        let mut got = Vec::new();
        within(stream.read_to_end(&mut got)).await.expect("whole");
        site.kept().await;
    }
    let text = within(async {
        loop {
            let (status, text) = get(&address, "/metrics").await;
            assert_eq!(status, 200);
            // The last bytes are counted a moment after they have arrived.
            if value(&text, "payload_served_bytes_total") >= 400_000.0 {
                return text;
            }
        }
    })
    .await;
    for (name, expected) in [
        ("online", 1.0),
        ("agents", 1.0),
        ("sessions", 0.0),
        ("cache_hits_total", 3.0),
        ("cache_fills_total", 1.0),
        ("cache_hit_ratio", 0.75),
        ("payload_wan_bytes_total", 100_000.0),
        ("payload_saved_bytes", 300_000.0),
        ("cache_payloads", 1.0),
        ("fill_seconds_count", 1.0),
        ("fill_seconds_bucket{le=\"+Inf\"}", 1.0),
    ] {
        assert_eq!(value(&text, name), expected, "{name}");
    }
    assert!(value(&text, "certificate_expires_seconds") > 0.0);
    assert_eq!(get(&address, "/").await.0, 404);
}

#[tokio::test]
async fn a_port_that_is_taken_and_none_at_all_leave_the_relay_running() {
    let site = Site::start_at(clock(), |_| {}).await;
    let taken = site.relay.status().expect("status").metrics.parse();
    for metrics_listen in [taken.ok(), None] {
        let folder = tempfile::tempdir().unwrap();
        let config = Config {
            metrics_listen,
            ..config()
        };
        let data = site.edge.claimed(folder.path());
        let mut relay = Relay::start(data, &config, clock(), limits()).expect("starts");
        within(relay.online()).await;
        assert_eq!(relay.status().expect("status").metrics, "");
    }
}
