//! The program itself, inside the host, killed with SIGKILL while the host's real apt works.

use crate::edge::{Edge, SECRET};
use crate::host::{Host, until, use_sources};
use crate::order::{DEPLOYMENT, order};
use crate::session::{enrol_with, final_step, web_server};
use netpatch_agent::run::Runs;
use netpatch_agent::state::StateFolder;
use netpatch_protocol::session::agent_message;
use netpatch_types::{Clock as _, SystemClock};
use std::process::Stdio;
use tokio::process::{Child, Command};

/// `netpatch-agent run` as the host's own process.
fn run(host: &Host) -> Child {
    let mut command = Command::new("chroot");
    command.arg(host.root());
    command.args(["/usr/bin/netpatch-agent", "run"]);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command.kill_on_drop(true).spawn().expect("chroot")
}

#[tokio::test]
async fn an_agent_killed_while_apt_works_goes_on_where_it_was() {
    let host = Host::with(&["np-held-up"]).await;
    let (url, _web) = web_server().await;
    use_sources(&host.root(), &url);
    let program = host.root().join("usr/bin/netpatch-agent");
    std::fs::copy(env!("CARGO_BIN_EXE_netpatch-agent"), program).expect("the program");
    // The minimal Debian has no certificate authorities, and fetching without a relay wants some.
    let authorities = "etc/ssl/certs/ca-certificates.crt";
    std::fs::create_dir_all(host.root().join("etc/ssl/certs")).expect("a folder");
    std::fs::copy(format!("/{authorities}"), host.root().join(authorities))
        .expect("the package ca-certificates is installed");
    let hold = host.root().join("run/np-held-up.wait");
    std::fs::write(&hold, "").expect("the file");
    let edge = Edge::start();
    let server = edge.address.to_string();
    let folder = StateFolder::DEFAULT.trim_start_matches('/');
    let state = StateFolder::open(&host.root().join(folder)).expect("state");
    enrol_with(&state, &server, None, &host, &edge.token(SECRET))
        .await
        .expect("enrols");

    let mut first = run(&host);
    until(|| async {
        edge.heard(|body| matches!(body, agent_message::Body::Applicability(_)).then_some(()))
    })
    .await;
    let (_, content) = host.plan(&["np-held-up"]).await;
    let now = SystemClock::default().now().timestamp_millis();
    edge.send(order(&content, 1, now));
    let log = Runs::new(&state).folder(DEPLOYMENT, 1).join("install.log");
    until(|| async {
        let text = std::fs::read_to_string(&log).ok()?;
        text.contains("Setting up np-held-up").then_some(())
    })
    .await;
    first.kill().await.expect("killed");
    assert!(
        host.version("np-held-up").ends_with("half-configured"),
        "apt still works: {}",
        host.version("np-held-up")
    );

    let _second = run(&host);
    std::fs::remove_file(&hold).expect("lets apt go on");
    let done = final_step(&edge, 1).await;
    assert_eq!(done.state, "succeeded", "{done:?}");
    assert_eq!(host.version("np-held-up"), "2.0-1 installed");
    let text = std::fs::read_to_string(&log).expect("the log");
    let starts = text.matches("Setting up np-held-up").count();
    assert_eq!(starts, 1, "apt ran once: {text}");
}
