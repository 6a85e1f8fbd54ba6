//! A network of its own for one test, with a packet filter that the test turns.

use std::io::Write as _;
use std::process::{Command, Stdio};

/// Set in the process that is inside.
const INSIDE: &str = "NETPATCH_TEST_INSIDE";

/// Runs a test again in a network of its own, which has a loopback device only.
pub(crate) fn in_own_network<F: Future<Output = ()>>(name: &str, test: impl FnOnce() -> F) {
    if std::env::var_os(INSIDE).is_none() {
        let ended = Command::new("unshare")
            .args(["--user", "--map-root-user", "--net", "--"])
            .arg(std::env::current_exe().expect("this test"))
            .args(["--exact", name, "--nocapture"])
            .env(INSIDE, "1")
            .output()
            .expect("unshare");
        let said = String::from_utf8_lossy(&ended.stdout);
        assert!(
            ended.status.success() && said.contains("1 passed"),
            "{said}{}",
            String::from_utf8_lossy(&ended.stderr)
        );
        return;
    }
    run(&["ip", "link", "set", "lo", "up"], "");
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(test());
}

/// Runs a program with this on its standard input.
pub(crate) fn run(words: &[&str], input: &str) {
    let mut child = Command::new(words[0])
        .args(&words[1..])
        .stdin(Stdio::piped())
        .spawn()
        .expect("a program");
    let mut pipe = child.stdin.take().expect("a pipe");
    pipe.write_all(input.as_bytes()).expect("written");
    drop(pipe);
    assert!(child.wait().expect("ends").success(), "{words:?}");
}

/// Whatever comes over UDP to or from this port vanishes without a word.
pub(crate) fn block_udp(port: u16) {
    let rules = format!(
        "table inet blocked {{
            chain arriving {{
                type filter hook input priority 0;
                udp dport {port} drop
                udp sport {port} drop
            }}
        }}"
    );
    run(&["nft", "-f", "-"], &rules);
}

/// Nothing comes through to or from these ports any more, over UDP or TCP, and packets that would have are counted.
pub(crate) fn block_all(port: u16) {
    let rules = format!(
        "table inet blocked {{
            counter over_tcp {{ }}
            chain arriving {{
                type filter hook input priority 0;
                udp dport {port} drop
                udp sport {port} drop
                tcp dport {port} counter name over_tcp drop
                tcp sport {port} drop
            }}
        }}"
    );
    run(&["nft", "-f", "-"], &rules);
}

/// How many packets over TCP [`block_all`] has kept away.
pub(crate) fn blocked_over_tcp() -> u64 {
    let listed = Command::new("nft")
        .args(["list", "counters"])
        .output()
        .expect("nft");
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    let mut words = text.split_whitespace();
    let packets = words.find(|word| *word == "packets").and(words.next());
    packets.expect("a counter").parse().expect("a number")
}

/// It does not any more.
pub(crate) fn unblock_udp() {
    run(&["nft", "delete", "table", "inet", "blocked"], "");
}
