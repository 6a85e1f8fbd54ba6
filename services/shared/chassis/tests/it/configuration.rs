//! Defaults, sources in order, unknown keys, values that do not go together.

use netpatch_chassis::configuration::DEFAULTS;
use netpatch_chassis::{Configuration, ConfigurationError, Sources};
use std::io::Write;
use std::net::SocketAddr;

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn environment(pairs: &[(&str, &str)]) -> Sources {
    Sources::new().environment(
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
    )
}

fn refused(loaded: Result<Configuration, ConfigurationError>) -> String {
    loaded.expect_err("it is refused").to_string()
}

#[test]
fn the_defaults_are_complete_and_safe() {
    let configuration = Sources::new().load().unwrap();
    assert!(configuration.http.addr.ip().is_loopback());
    assert!(
        configuration.database.embedded()
            && configuration.blobs.embedded()
            && configuration.bus.embedded()
    );
    assert_eq!(configuration.tls.cert, None);
    assert_eq!(configuration.rpc.addr, None);
}

#[test]
fn a_copy_of_the_defaults_changes_nothing() {
    let copy = file(DEFAULTS);
    let copied = Sources::new().file(copy.path()).load().unwrap();
    assert_eq!(
        format!("{copied:?}"),
        format!("{:?}", Sources::new().load().unwrap())
    );
}

#[test]
fn flags_override_the_environment_overrides_the_file() {
    let file = file(
        "[http]\naddr = \"127.0.0.1:1\"\n[telemetry]\nlog = \"debug\"\njson = true\n[quic]\nnames = [\"a\"]\n",
    );
    let file_alone = Sources::new().file(file.path()).load().unwrap();
    assert_eq!(file_alone.http.addr.port(), 1);
    let sources = environment(&[
        ("NETPATCH_HTTP__ADDR", "127.0.0.1:2"),
        ("NETPATCH_QUIC__NAMES", "edge.example.org,10.0.0.5"),
        ("NETPATCH_DATA_DIR", "/srv/x"),
        ("NETPATCH_LIMITS__SHUTDOWN_MS", "5"),
        ("NETPATCH_TELEMETRY__JSON", "false"),
        ("NETPATCH_TLS__CERT", ""),
        ("NETPATCH_TOKEN_FILE", "of another program"),
        ("PATH", "/bin"),
    ])
    .file(file.path());
    let merged = sources.clone().load().unwrap();
    assert_eq!(merged.http.addr.port(), 2);
    assert_eq!(merged.quic.names, ["edge.example.org", "10.0.0.5"]);
    assert_eq!(merged.data_dir.to_str(), Some("/srv/x"));
    assert_eq!(merged.limits.shutdown_ms, 5);
    assert!(!merged.telemetry.json);
    assert_eq!(merged.telemetry.log, "debug");
    let flagged = sources
        .flag("--http", "http.addr", "[::1]:3")
        .load()
        .unwrap();
    assert_eq!(flagged.http.addr, "[::1]:3".parse::<SocketAddr>().unwrap());
}

#[test]
fn an_unknown_key_is_refused_by_name_and_place() {
    let unknown = file("[http]\n# a comment\nadr = \"127.0.0.1:1\"\n");
    let text = refused(Sources::new().file(unknown.path()).load());
    assert!(
        text.contains("http.adr") && text.contains("line 3") && text.contains("behind_proxy"),
        "{text}"
    );
    assert!(text.contains(unknown.path().to_str().unwrap()), "{text}");
    let section = file("[htpp]\naddr = \"127.0.0.1:1\"\n");
    assert!(refused(Sources::new().file(section.path()).load()).contains("htpp"));
    let text = refused(environment(&[("NETPATCH_HTTP__ADR", "127.0.0.1:1")]).load());
    assert!(
        text.contains("http.adr") && text.contains("NETPATCH_HTTP__ADR"),
        "{text}"
    );
    let text = refused(Sources::new().flag("--set", "http", "1").load());
    assert!(text.contains("--set"), "{text}");
}

#[test]
fn a_value_of_the_wrong_type_names_its_place() {
    let wrong = file("[http]\naddr = \"here\"\n");
    assert!(
        refused(Sources::new().file(wrong.path()).load()).contains(wrong.path().to_str().unwrap())
    );
    let text = refused(environment(&[("NETPATCH_LIMITS__SHUTDOWN_MS", "soon")]).load());
    assert!(text.contains("NETPATCH_LIMITS__SHUTDOWN_MS"), "{text}");
    let broken = file("[http\n");
    assert!(refused(Sources::new().file(broken.path()).load()).contains("line 1"));
    assert!(
        refused(Sources::new().file("/nonexistent/netpatch.toml").load()).contains("/nonexistent")
    );
}

#[test]
fn an_open_address_needs_tls_or_a_proxy() {
    let open = ("NETPATCH_HTTP__ADDR", "0.0.0.0:8480");
    let text = refused(environment(&[open]).load());
    assert!(
        text.contains("tls.cert") && text.contains("http.behind_proxy"),
        "{text}"
    );
    assert!(
        environment(&[open, ("NETPATCH_HTTP__BEHIND_PROXY", "true")])
            .load()
            .is_ok()
    );
    let tls = [
        open,
        ("NETPATCH_TLS__CERT", "c.pem"),
        ("NETPATCH_TLS__KEY", "k.pem"),
    ];
    assert!(environment(&tls).load().is_ok());
    assert!(refused(environment(&tls[..2]).load()).contains("belong together"));
}

#[test]
fn values_that_do_not_go_together_are_refused() {
    for (name, value, word) in [
        (
            "NETPATCH_DATABASE__URL",
            "postgres://app:hunter2@db/netpatch",
            "owner_url",
        ),
        ("NETPATCH_DATABASE__URL", "mysql://db", "postgres://"),
        ("NETPATCH_BLOBS__URL", "file:///x", "s3://"),
        ("NETPATCH_BLOBS__ACCESS_KEY", "x", "secret_key"),
        ("NETPATCH_BUS__URL", "kafka://x", "redis://"),
        (
            "NETPATCH_SERVICES__INVENTORY",
            "http://10.0.0.2:1",
            "rpc.key_file",
        ),
        ("NETPATCH_SERVICES__POLICY", "10.0.0.2:1", "services.policy"),
        ("NETPATCH_RPC__ADDR", "127.0.0.1:0", "rpc.key_file"),
        ("NETPATCH_TELEMETRY__LOG", "a=b=c", "telemetry.log"),
        ("NETPATCH_LIMITS__HTTP_CONNECTIONS", "0", "http_connections"),
    ] {
        let text = refused(environment(&[(name, value)]).load());
        assert!(
            text.contains(word) && !text.contains("hunter2"),
            "{name}: {text}"
        );
    }
}

#[test]
fn secrets_are_not_printed() {
    let configuration = environment(&[
        ("NETPATCH_BUS__URL", "redis://:hunter2@bus"),
        ("NETPATCH_BLOBS__ACCESS_KEY", "id"),
        ("NETPATCH_BLOBS__SECRET_KEY", "12345"),
    ])
    .load()
    .unwrap();
    assert_eq!(
        configuration.blobs.secret_key.as_ref().unwrap().expose(),
        "12345"
    );
    let printed = format!("{configuration:?}");
    assert!(
        !printed.contains("hunter2") && !printed.contains("12345"),
        "{printed}"
    );
}
