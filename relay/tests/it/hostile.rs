//! Upstreams that mean ill or do not know what they do.

use crate::front::{Front, REPOSITORY, bytes, settings, within};
use crate::upstream::{Served, Upstream};
use netpatch_protocol::site::{SiteSettings, Upstream as Source};
use netpatch_relay_core::Upstreams;

fn redirect(to: &str) -> Served {
    Served {
        instead: format!("302 Found\r\nLocation: {to}"),
        ..Served::default()
    }
}

#[tokio::test]
async fn a_redirect_is_followed_to_what_the_site_names_and_to_no_machine_of_its_own() {
    let front = Front::start(60).await;
    let other = Upstream::start().await;
    other.put_bytes("secret", b"secret");
    let port = other.base.split(':').nth(2).unwrap();
    let by_name = format!("http://localhost:{port}");
    let elsewhere = [
        format!("{by_name}/secret"),
        "http://169.254.169.254/latest/meta-data/".into(),
        "http://[::1]/secret".into(),
        "http://[::ffff:169.254.169.254]/".into(),
        "http://2852039166/".into(),
        "http://10.0.0.1/secret".into(),
        "http://0/secret".into(),
        "file:///etc/passwd".into(),
        "ftp://10.0.0.1/secret".into(),
    ];
    for to in elsewhere {
        front.upstream.put("pool/a.deb", redirect(&to));
        let (status, text) = front.get("pool/a.deb").await;
        assert_eq!(status, 502, "{to}: {}", String::from_utf8_lossy(&text));
    }
    assert!(other.requests().is_empty(), "{:?}", other.requests());
    assert_eq!(front.cache.usage().payloads, 0);

    // The address of an upstream that the site names.
    front.upstream.put(
        "pool/b.deb",
        redirect(&format!("{}/pool/c.deb", front.upstream.base)),
    );
    front.upstream.put_bytes("pool/c.deb", b"moved");
    assert_eq!(front.get("pool/b.deb").await, (200, b"moved".to_vec()));
    // Round and round.
    front.upstream.put(
        "pool/d.deb",
        redirect(&format!("{}/pool/d.deb", front.upstream.base)),
    );
    assert_eq!(front.get("pool/d.deb").await.0, 502);
}

#[tokio::test]
async fn an_upstream_where_machines_keep_their_secrets_is_not_asked_even_if_the_site_names_it() {
    let front = Front::start(60).await;
    front.upstream.put_bytes("pool/a.deb", b"a");
    front
        .cache
        .set_upstreams(settings(REPOSITORY, &["http://169.254.169.254/debian"]));
    assert_eq!(front.get("pool/a.deb").await.0, 502);
    // The next one is.
    let good = front.upstream.base.clone();
    let urls = vec!["http://169.254.169.254/debian".into(), good];
    front
        .cache
        .set_upstreams(Upstreams::from_settings(&SiteSettings {
            upstreams: vec![Source {
                repository: REPOSITORY.into(),
                urls,
            }],
            ..SiteSettings::default()
        }));
    assert_eq!(front.get("pool/a.deb").await, (200, b"a".to_vec()));
}

#[tokio::test]
async fn an_upstream_without_end_or_beyond_the_limit_is_given_up() {
    let front = Front::start(60).await;
    front.cache.limit_payloads(1_000_000);
    front.upstream.put(
        "pool/endless.deb",
        Served {
            body: bytes(10_000),
            endless: true,
            ..Served::default()
        },
    );
    front
        .upstream
        .put_bytes("pool/large.deb", &bytes(1_000_001));
    front.upstream.put_bytes("pool/fits.deb", &bytes(1_000_000));
    assert_eq!(within(front.get("pool/endless.deb")).await.0, 502);
    assert_eq!(front.get("pool/large.deb").await.0, 502);
    assert_eq!(front.get("pool/fits.deb").await.0, 200);
    front.kept(1).await;
    assert!(front.counters.now().bytes_fetched < 3_000_000);
}

#[tokio::test]
async fn what_an_upstream_refuses_is_not_kept_and_not_taken_for_a_payload() {
    let front = Front::start(60).await;
    for (answer, expected) in [
        ("404 Not Found", 404),
        ("410 Gone", 404),
        ("403 Forbidden", 502),
        ("416 Range Not Satisfiable", 502),
        ("500 Internal Server Error", 502),
        ("503 Service Unavailable", 502),
        ("206 Partial Content\r\nContent-Range: bytes 0-0/1", 502),
        ("304 Not Modified", 502),
        ("999 Who Knows", 502),
    ] {
        let served = Served {
            instead: answer.into(),
            ..Served::default()
        };
        front.upstream.put("pool/a.deb", served);
        assert_eq!(
            within(front.get("pool/a.deb")).await.0,
            expected,
            "{answer}"
        );
    }
    assert_eq!(front.cache.usage().payloads, 0);
    front.upstream.put_bytes("pool/a.deb", b"at last");
    assert_eq!(front.get("pool/a.deb").await, (200, b"at last".to_vec()));
}
