//! What the host's own packet filter does with a new packet from outside: lets it through, stops it, or nobody can tell.
//!
//! The rules of nftables and iptables are read into one form and followed for one imagined packet. Of a condition that is not
//! understood, or that depends on who asks (an address, another interface than `lo`), both answers are followed; only when all
//! of them end alike there is a verdict. So a rule that is not understood costs knowledge, never truth.

mod iptables;
mod nft;

use super::sockets::{Listener, Transport};
use crate::command::{CommandLine, Runner};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

/// A program that prints the rules has so long.
const LIMIT: Duration = Duration::from_secs(10);
/// Longest rule set that is read, bytes.
const MAX_BYTES: usize = 8 << 20;
/// Deepest jump; the kernel's own limit.
const MAX_DEPTH: usize = 16;
/// Most rules that are followed for one packet.
const MAX_STEPS: usize = 100_000;

/// An imagined packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Packet {
    transport: Transport,
    port: u16,
    is_v6: bool,
}

/// A condition of a rule, of the packet.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    Always,
    Never,
    /// Not understood, or it depends on who asks.
    Maybe,
    Transport(Transport),
    V6,
    /// One of these ranges, ends included.
    Port(Vec<(u16, u16)>),
    Not(Box<Test>),
}

/// What follows from a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Truth {
    Yes,
    No,
    Maybe,
}

impl Test {
    fn of(&self, packet: Packet) -> Truth {
        let known = |yes| if yes { Truth::Yes } else { Truth::No };
        match self {
            Self::Always => Truth::Yes,
            Self::Never => Truth::No,
            Self::Maybe => Truth::Maybe,
            Self::Transport(transport) => known(packet.transport == *transport),
            Self::V6 => known(packet.is_v6),
            Self::Port(ranges) => known(
                ranges
                    .iter()
                    .any(|(low, high)| (*low..=*high).contains(&packet.port)),
            ),
            Self::Not(test) => match test.of(packet) {
                Truth::Yes => Truth::No,
                Truth::No => Truth::Yes,
                Truth::Maybe => Truth::Maybe,
            },
        }
    }

    fn negated_if(self, negated: bool) -> Self {
        if negated {
            Self::Not(Box::new(self))
        } else {
            self
        }
    }
}

/// What a rule does when it fits.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Then {
    Accept,
    Drop,
    Return,
    Jump(String),
    Goto(String),
    /// Nothing that decides.
    Nothing,
    /// Not understood.
    Anything,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    tests: Vec<Test>,
    then: Then,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Chain {
    rules: Vec<Rule>,
}

/// Where packets that come in enter.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    chain: String,
    /// Whether what no rule decided is let through.
    accepts: bool,
    /// Only packets of this family; `None`: of both.
    v6: Option<bool>,
}

/// Rules of any origin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Rules {
    entries: Vec<Entry>,
    chains: HashMap<String, Chain>,
}

/// How a chain may end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Ends {
    accept: bool,
    drop: bool,
    goes_on: bool,
}

impl Ends {
    const ANY: Self = Self {
        accept: true,
        drop: true,
        goes_on: true,
    };

    fn add(&mut self, other: Self) {
        self.accept |= other.accept;
        self.drop |= other.drop;
        self.goes_on |= other.goes_on;
    }
}

impl Rules {
    /// `None`: nobody can tell.
    fn allows(&self, packet: Packet) -> Option<bool> {
        let mut steps = MAX_STEPS;
        let (mut may_pass, mut may_drop) = (true, false);
        let meant = |entry: &&Entry| entry.v6.is_none_or(|v6| v6 == packet.is_v6);
        for entry in self.entries.iter().filter(meant) {
            let ends = self.follow(&entry.chain, packet, MAX_DEPTH, &mut steps);
            may_pass &= ends.accept || (ends.goes_on && entry.accepts);
            may_drop |= ends.drop || (ends.goes_on && !entry.accepts);
        }
        match (may_pass, may_drop) {
            (true, false) => Some(true),
            (false, _) => Some(false),
            (true, true) => None,
        }
    }

    fn follow(&self, chain: &str, packet: Packet, depth: usize, steps: &mut usize) -> Ends {
        let Some(chain) = self.chains.get(chain).filter(|_| depth > 0) else {
            return Ends::ANY;
        };
        let mut ends = Ends::default();
        for rule in &chain.rules {
            if *steps == 0 {
                return Ends::ANY;
            }
            *steps -= 1;
            let mut truth = Truth::Yes;
            for test in &rule.tests {
                match test.of(packet) {
                    Truth::Yes => {}
                    Truth::No => truth = Truth::No,
                    Truth::Maybe if truth == Truth::Yes => truth = Truth::Maybe,
                    Truth::Maybe => {}
                }
            }
            if truth == Truth::No {
                continue;
            }
            let (then, leaves) = match &rule.then {
                Then::Nothing => continue,
                Then::Accept => (
                    Ends {
                        accept: true,
                        ..Ends::default()
                    },
                    true,
                ),
                Then::Drop => (
                    Ends {
                        drop: true,
                        ..Ends::default()
                    },
                    true,
                ),
                Then::Return => (
                    Ends {
                        goes_on: true,
                        ..Ends::default()
                    },
                    true,
                ),
                Then::Anything => (Ends::ANY, false),
                Then::Goto(target) => (self.follow(target, packet, depth - 1, steps), true),
                Then::Jump(target) => {
                    let then = self.follow(target, packet, depth - 1, steps);
                    (then, !then.goes_on)
                }
            };
            if leaves {
                ends.add(then);
                if truth == Truth::Yes {
                    return ends;
                }
            } else {
                // It may go on here: only what it decides counts.
                ends.add(Ends {
                    goes_on: false,
                    ..then
                });
            }
        }
        ends.goes_on = true;
        ends
    }
}

/// What the host's packet filter does.
#[derive(Clone, Debug, Default)]
pub(crate) struct Firewall {
    rules: Option<Rules>,
    /// `nft` or `iptables`; empty when neither answered.
    pub(crate) reader: &'static str,
    /// Why nobody can tell; empty when somebody can.
    pub(crate) problem: String,
}

impl Firewall {
    /// Asks nft, and iptables for what nft cannot say. Nothing is changed.
    pub(crate) async fn read(runner: &Runner) -> Self {
        let legacy = ["ip_tables_names", "ip6_tables_names"].iter().any(|name| {
            std::fs::read_to_string(format!("/proc/net/{name}"))
                .is_ok_and(|names| !names.trim().is_empty())
        });
        let listed = output(runner, "nft", &["-j", "list", "ruleset"]).await;
        let (mut rules, mut foreign, reader) = match listed.as_deref().map(nft::read) {
            Ok(Ok((rules, foreign))) => (rules, foreign, "nft"),
            Ok(Err(problem)) => return Self::unknown(problem),
            Err(_) => (Rules::default(), vec![String::new()], "iptables"),
        };
        if legacy {
            foreign.push(String::new());
        }
        if !foreign.is_empty() {
            for (program, v6) in [("iptables-save", false), ("ip6tables-save", true)] {
                let saved = match output(runner, program, &[]).await {
                    Ok(saved) => saved,
                    Err(problem) => return Self::unknown(problem),
                };
                iptables::read(&saved, v6, &mut rules);
                let program = program.replace("tables", "tables-legacy");
                if legacy && saved.contains("legacy tables present") {
                    match output(runner, &program, &[]).await {
                        Ok(saved) => iptables::read(&saved, v6, &mut rules),
                        Err(problem) => return Self::unknown(problem),
                    }
                }
            }
            // What iptables wrote is understood better from its own words.
            rules.entries.retain(|entry| {
                !foreign
                    .iter()
                    .any(|table| !table.is_empty() && entry.chain.starts_with(table.as_str()))
            });
        }
        Self {
            rules: Some(rules),
            reader,
            problem: String::new(),
        }
    }

    fn unknown(problem: String) -> Self {
        Self {
            rules: None,
            reader: "",
            problem,
        }
    }

    /// Whether a new packet from outside reaches the socket; `None`: nobody can tell. An IPv6 socket for all addresses takes IPv4
    /// too.
    pub(crate) fn allows(&self, listener: &Listener) -> Option<bool> {
        let rules = self.rules.as_ref()?;
        let packet = |is_v6| Packet {
            transport: listener.transport,
            port: listener.port,
            is_v6,
        };
        match listener.address {
            IpAddr::V4(_) => rules.allows(packet(false)),
            IpAddr::V6(address) if address.to_ipv4_mapped().is_some() => {
                rules.allows(packet(false))
            }
            IpAddr::V6(Ipv6Addr::UNSPECIFIED) => {
                match (rules.allows(packet(false)), rules.allows(packet(true))) {
                    (Some(true), _) | (_, Some(true)) => Some(true),
                    (Some(false), Some(false)) => Some(false),
                    _ => None,
                }
            }
            IpAddr::V6(_) => rules.allows(packet(true)),
        }
    }
}

/// What a program prints, both streams; an error in one line.
async fn output(runner: &Runner, program: &str, arguments: &[&str]) -> Result<String, String> {
    let command = CommandLine::new(program, arguments.iter().copied());
    let output = runner
        .run(&command, LIMIT)
        .await
        .map_err(|failure| super::process::one_line(&failure.to_string()))?;
    if !output.ok() {
        let said = super::process::one_line(&output.stderr);
        return Err(format!("{program} says: {said}"));
    }
    if output.stdout.len() > MAX_BYTES {
        return Err(format!("{program} prints more than {MAX_BYTES} bytes"));
    }
    // iptables-save says on the second stream that there is more.
    Ok(if program == "nft" {
        output.stdout
    } else {
        output.text()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(tests: Vec<Test>, then: Then) -> Rule {
        Rule { tests, then }
    }

    fn rules(accepts: bool, chains: &[(&str, Vec<Rule>)]) -> Rules {
        Rules {
            entries: vec![Entry {
                chain: "in".into(),
                accepts,
                v6: None,
            }],
            chains: chains
                .iter()
                .map(|(name, rules)| {
                    let rules = rules.clone();
                    ((*name).to_owned(), Chain { rules })
                })
                .collect(),
        }
    }

    const SSH: Packet = Packet {
        transport: Transport::Tcp,
        port: 22,
        is_v6: false,
    };

    #[test]
    fn what_is_not_understood_costs_knowledge_only_where_it_matters() {
        let maybe = |then| rule(vec![Test::Maybe], then);
        let all = |accepts, list: Vec<Rule>| rules(accepts, &[("in", list)]).allows(SSH);
        assert_eq!(all(true, vec![]), Some(true));
        assert_eq!(all(false, vec![]), Some(false));
        assert_eq!(all(true, vec![maybe(Then::Drop)]), None);
        assert_eq!(all(true, vec![maybe(Then::Accept)]), Some(true));
        assert_eq!(all(false, vec![maybe(Then::Accept)]), None);
        assert_eq!(
            all(true, vec![rule(vec![Test::Never, Test::Maybe], Then::Drop)]),
            Some(true)
        );
        assert_eq!(all(true, vec![maybe(Then::Anything)]), None);
        let open = rule(vec![Test::Port(vec![(20, 22)])], Then::Accept);
        assert_eq!(
            all(false, vec![open.clone(), maybe(Then::Drop)]),
            Some(true)
        );
        assert_eq!(all(false, vec![maybe(Then::Drop), open]), None);
    }

    #[test]
    fn jumps_come_back_and_endless_ones_are_not_followed() {
        let always = |then| rule(vec![], then);
        let jump = |to: &str| always(Then::Jump(to.into()));
        let drop = always(Then::Drop);
        let back = rules(
            true,
            &[
                ("in", vec![jump("sub"), drop.clone()]),
                (
                    "sub",
                    vec![rule(vec![Test::V6], Then::Accept), always(Then::Return)],
                ),
            ],
        );
        assert_eq!(back.allows(SSH), Some(false));
        assert_eq!(back.allows(Packet { is_v6: true, ..SSH }), Some(true));
        let gone = rules(
            false,
            &[
                (
                    "in",
                    vec![always(Then::Goto("sub".into())), always(Then::Accept)],
                ),
                ("sub", vec![]),
            ],
        );
        assert_eq!(gone.allows(SSH), Some(false));
        let circle = rules(true, &[("in", vec![jump("in"), jump("in"), drop])]);
        assert_eq!(circle.allows(SSH), None);
        assert_eq!(
            rules(true, &[("in", vec![jump("nowhere")])]).allows(SSH),
            None
        );
    }
}
