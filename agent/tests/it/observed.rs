//! What is seen of a running host: real sockets, real rules of nft and iptables in a network namespace, real processes.

use crate::host::{Host, until};
use netpatch_agent::command::Runner;
use netpatch_agent::facts::{Observed, observe};
use netpatch_agent::provider::Providers;
use netpatch_protocol::session::{FirewallVerdict, ListeningSocket};
use std::fs;
use std::io::Write as _;
use std::net::{TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A program that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A network namespace with rules of its own.
struct Net(Running);

impl Net {
    fn new() -> Self {
        let mut command = Command::new("unshare");
        command.args(["--net", "--", "sleep", "1000"]);
        Self(Running(command.spawn().expect("unshare")))
    }

    fn runner(&self) -> Runner {
        let place = format!("--net=/proc/{}/ns/net", self.0.0.id());
        Runner::in_root("/".into(), vec!["nsenter".into(), place])
    }

    /// Runs a program inside, with this text as its input.
    fn run(&self, words: &[&str], input: &str) {
        let mut child = Command::new("nsenter")
            .arg(format!("--net=/proc/{}/ns/net", self.0.0.id()))
            .args(words)
            .stdin(Stdio::piped())
            .spawn()
            .expect("nsenter");
        let mut pipe = child.stdin.take().expect("a pipe");
        pipe.write_all(input.as_bytes()).expect("written");
        drop(pipe);
        assert!(child.wait().expect("ends").success(), "{words:?}");
    }

    async fn observe(&self) -> Observed {
        let runner = self.runner();
        let work = tempfile::tempdir().expect("folder");
        let providers = Providers::of_host(&runner, work.path()).await;
        observe(&runner, &providers).await
    }
}

fn port(listener: &TcpListener) -> u16 {
    listener.local_addr().expect("bound").port()
}

fn socket(observed: &Observed, port: u16) -> &ListeningSocket {
    let found = observed
        .listening
        .iter()
        .find(|socket| socket.port == u32::from(port));
    found.unwrap_or_else(|| panic!("{port} is not in {:#?}", observed.listening))
}

#[tokio::test]
async fn rules_of_nft_say_which_sockets_are_exposed() {
    let net = Net::new();
    until(|| async {
        // unshare has entered the new namespace when its program runs.
        let name = fs::read_to_string(format!("/proc/{}/comm", net.0.0.id()));
        name.is_ok_and(|name| name == "sleep\n").then_some(())
    })
    .await;
    let bind = |address: &str| TcpListener::bind(address).expect("a port");
    let (open, set, jumped, closed) = (
        bind("0.0.0.0:0"),
        bind("[::]:0"),
        bind("0.0.0.0:0"),
        bind("0.0.0.0:0"),
    );
    let (limited, local) = (bind("0.0.0.0:0"), bind("127.0.0.1:0"));
    let observed = net.observe().await;
    assert_eq!(observed.firewall.problem, "");
    assert_eq!(observed.firewall.reader, "nft");
    let free = socket(&observed, port(&closed));
    assert_eq!(free.firewall(), FirewallVerdict::Allowed, "no rule at all");
    assert!(free.not_loopback);
    assert!(free.process.starts_with("it-") || !free.process.is_empty());

    let rules = format!(
        "table inet filter {{
           set wanted {{ type inet_service; elements = {{ {}, 1 }} }}
           chain services {{ tcp dport {} accept; }}
           chain input {{
             type filter hook input priority 0; policy drop;
             ct state vmap {{ established : accept, related : accept, invalid : drop }}
             iifname \"lo\" accept
             tcp flags & (fin|syn|rst|ack) != syn ct state new drop
             ip saddr 10.0.0.0/8 tcp dport {} accept
             tcp dport {{ {}, 7000-7001 }} counter log accept
             tcp dport @wanted accept
             meta l4proto {{ tcp, udp }} jump services
             udp dport 4999 limit rate 10/second accept
           }}
         }}",
        port(&set),
        port(&jumped),
        port(&limited),
        port(&open)
    );
    net.run(&["nft", "-f", "-"], &rules);
    let udp = UdpSocket::bind("0.0.0.0:4999");
    let observed = net.observe().await;
    let verdict = |listener: &TcpListener| socket(&observed, port(listener)).firewall();
    assert_eq!(verdict(&open), FirewallVerdict::Allowed);
    assert_eq!(verdict(&set), FirewallVerdict::Allowed);
    assert_eq!(verdict(&jumped), FirewallVerdict::Allowed);
    assert_eq!(verdict(&closed), FirewallVerdict::Blocked);
    // Who asks decides: nobody can tell for all.
    assert_eq!(verdict(&limited), FirewallVerdict::Unspecified);
    let local = socket(&observed, port(&local));
    assert!(!local.not_loopback && local.firewall() == FirewallVerdict::Blocked);
    if udp.is_ok() {
        let udp = socket(&observed, 4999);
        assert_eq!(
            (udp.protocol.as_str(), udp.firewall()),
            ("udp", FirewallVerdict::Unspecified)
        );
    }
}

#[tokio::test]
async fn rules_of_iptables_are_read_in_its_own_words() {
    let net = Net::new();
    until(|| async {
        let name = fs::read_to_string(format!("/proc/{}/comm", net.0.0.id()));
        name.is_ok_and(|name| name == "sleep\n").then_some(())
    })
    .await;
    let bind = |address: &str| TcpListener::bind(address).expect("a port");
    let (open, closed, six) = (bind("0.0.0.0:0"), bind("0.0.0.0:0"), bind("[::]:0"));
    let rules = format!(
        "*filter\n:INPUT DROP [0:0]\n-A INPUT -m conntrack --ctstate INVALID -j DROP\n\
         -A INPUT -p tcp -m multiport --dports {},1 -m conntrack --ctstate NEW -j ACCEPT\nCOMMIT\n",
        port(&open)
    );
    for (program, rules) in [
        ("iptables-restore", rules.as_str()),
        ("ip6tables-restore", "*filter\n:INPUT DROP [0:0]\nCOMMIT\n"),
    ] {
        net.run(&[program], rules);
    }
    let observed = net.observe().await;
    assert_eq!(observed.firewall.problem, "");
    let verdict = |listener: &TcpListener| socket(&observed, port(listener)).firewall();
    assert_eq!(verdict(&open), FirewallVerdict::Allowed);
    assert_eq!(verdict(&closed), FirewallVerdict::Blocked);
    assert_eq!(verdict(&six), FirewallVerdict::Blocked);
}

#[tokio::test]
async fn a_rule_set_that_cannot_be_read_is_not_known() {
    // No program of that name is there.
    let runner = Runner::in_root("/".into(), vec!["env".into(), "PATH=/nonexistent".into()]);
    let work = tempfile::tempdir().expect("folder");
    let providers = Providers::of_host(&runner, work.path()).await;
    let listener = TcpListener::bind("0.0.0.0:0").expect("a port");
    let observed = observe(&runner, &providers).await;
    assert_ne!(observed.firewall.problem, "");
    let found = socket(&observed, port(&listener));
    assert_eq!(found.firewall(), FirewallVerdict::Unspecified);
}

#[tokio::test]
async fn the_owner_of_a_socket_and_a_replaced_program_are_found_inside_a_root() {
    let host = Host::with(&[]).await;
    let root = host.root();
    let runner = Runner::in_root(
        root.clone(),
        vec!["chroot".into(), root.to_string_lossy().into_owned()],
    );
    let start = |words: &[&str]| {
        let mut command = Command::new("chroot");
        command.arg(&root).args(words).stdout(Stdio::piped());
        Running(command.spawn().expect("chroot"))
    };
    let mut listening = start(&[
        "perl",
        "-e",
        "use Socket; socket(S, PF_INET, SOCK_STREAM, 0); bind(S, sockaddr_in(0, INADDR_ANY)); listen(S, 1); \
         $| = 1; print((sockaddr_in(getsockname(S)))[0], \"\\n\"); sleep 1000;",
    ]);
    let port: u16 = {
        use std::io::BufRead as _;
        let mut line = String::new();
        let out = listening.0.stdout.take().expect("a pipe");
        std::io::BufReader::new(out)
            .read_line(&mut line)
            .expect("a line");
        line.trim().parse().expect("a port")
    };
    let program = root.join("usr/bin/np-sleep");
    fs::copy(root.join("usr/bin/sleep"), &program).expect("a copy");
    let sleeping = start(&["/usr/bin/np-sleep", "1000"]);
    let exe = format!("/proc/{}/exe", sleeping.0.id());
    until(|| async {
        let exe = fs::read_link(&exe).ok()?;
        exe.ends_with("np-sleep").then_some(())
    })
    .await;
    let providers = Providers::of_host(&runner, Path::new("/nonexistent")).await;
    let observed = observe(&runner, &providers).await;
    assert_eq!(observed.stale_services, []);
    let found = socket(&observed, port);
    assert_eq!(
        (found.process.as_str(), found.package.as_str()),
        ("perl", "perl-base")
    );
    fs::remove_file(&program).expect("removed");
    let observed = observe(&runner, &providers).await;
    assert_eq!(observed.stale_services.len(), 1, "{observed:#?}");
    assert_eq!(observed.stale_services[0].process, "np-sleep");
    assert_eq!(observed.stale_services[0].files, ["/usr/bin/np-sleep"]);
}
