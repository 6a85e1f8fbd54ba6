//! iptables, from `iptables-save` and `ip6tables-save` (iptables(8), iptables-extensions(8)).

use super::{Chain, Entry, Rule, Rules, Test, Then};
use crate::facts::sockets::Transport;

/// Adds the rules of one family.
pub(super) fn read(text: &str, v6: bool, rules: &mut Rules) {
    let family = if v6 { "iptables6" } else { "iptables" };
    let mut table = "";
    let id = |table: &str, chain: &str| format!("{family}/{table}/{chain}");
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('*') {
            table = name;
        } else if table == "nat" {
            // Another port than the packet's own is asked for where its rules lead to.
        } else if let Some(chain) = line.strip_prefix(':') {
            let mut words = chain.split_whitespace();
            let (Some(name), policy) = (words.next(), words.next()) else {
                continue;
            };
            if matches!(name, "INPUT" | "PREROUTING") {
                rules.entries.push(Entry {
                    chain: id(table, name),
                    accepts: policy != Some("DROP"),
                    v6: Some(v6),
                });
            }
            rules.chains.insert(id(table, name), Chain::default());
        } else if let Some(rest) = line.strip_prefix("-A ") {
            let words = words(rest);
            let Some((chain, words)) = words.split_first() else {
                continue;
            };
            let chain = rules.chains.entry(id(table, chain)).or_default();
            chain.rules.push(rule(words, |target| id(table, target)));
        }
    }
}

/// Splits as iptables-save quotes: double quotes and backslashes.
fn words(text: &str) -> Vec<String> {
    let (mut all, mut word, mut quoted, mut begun) = (Vec::new(), String::new(), false, false);
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => (quoted, begun) = (!quoted, true),
            '\\' => {
                word.extend(chars.next());
                begun = true;
            }
            c if c.is_whitespace() && !quoted => {
                if begun {
                    all.push(std::mem::take(&mut word));
                }
                begun = false;
            }
            c => {
                word.push(c);
                begun = true;
            }
        }
    }
    if begun {
        all.push(word);
    }
    all
}

fn rule(words: &[String], target: impl Fn(&str) -> String) -> Rule {
    let (mut tests, mut then) = (Vec::new(), Then::Nothing);
    let mut negated = false;
    let mut rest = words.iter().map(String::as_str);
    while let Some(word) = rest.next() {
        if word == "!" {
            negated = true;
            continue;
        }
        let mut value = || rest.next().unwrap_or_default();
        let test = match word {
            "-j" => {
                then = match value() {
                    "ACCEPT" => Then::Accept,
                    "DROP" | "REJECT" => Then::Drop,
                    "RETURN" => Then::Return,
                    "LOG" | "NFLOG" | "ULOG" | "MARK" | "CONNMARK" | "AUDIT" | "TRACE" | "CT"
                    | "SET" | "TCPMSS" | "CLASSIFY" => Then::Nothing,
                    "NFQUEUE" | "QUEUE" | "TPROXY" | "SYNPROXY" | "TARPIT" => Then::Anything,
                    chain => Then::Jump(target(chain)),
                };
                // What follows are the target's own options.
                break;
            }
            "-g" => {
                then = Then::Goto(target(value()));
                break;
            }
            "-m" => match value() {
                // Their conditions follow and are understood, or are not and say so.
                "tcp" | "udp" | "multiport" | "conntrack" | "state" | "comment" | "addrtype"
                | "icmp" | "icmp6" => continue,
                _ => Test::Maybe,
            },
            "-p" => match value() {
                "tcp" | "6" => Test::Transport(Transport::Tcp),
                "udp" | "17" => Test::Transport(Transport::Udp),
                "all" | "0" => Test::Always,
                _ => Test::Never,
            },
            "--dport" | "--dports" | "--destination-port" | "--destination-ports" => {
                ports(value()).map_or(Test::Maybe, Test::Port)
            }
            "-i" => match value() {
                "lo" => Test::Never,
                "+" => Test::Always,
                _ => Test::Maybe,
            },
            "--ctstate" | "--state" => {
                if value().split(',').any(|state| state == "NEW") {
                    Test::Always
                } else {
                    Test::Never
                }
            }
            "--dst-type" if value() == "LOCAL" => Test::Always,
            // The first packet of a connection.
            "--syn" => Test::Always,
            "--comment" => {
                value();
                continue;
            }
            _ => Test::Maybe,
        };
        tests.push(test.negated_if(negated));
        negated = false;
    }
    Rule { tests, then }
}

/// `22`, `8000:8010`, `80,443`
fn ports(text: &str) -> Option<Vec<(u16, u16)>> {
    text.split(',')
        .map(|part| {
            let (low, high) = part.split_once(':').unwrap_or((part, part));
            let end = |text: &str, open: u16| {
                if text.is_empty() {
                    Some(open)
                } else {
                    text.parse().ok()
                }
            };
            Some((end(low, 0)?, end(high, u16::MAX)?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::Packet;
    use super::*;

    /// ufw's shape: user chains, a comment with a quote, an interface, limits.
    const SAVED: &str = r#"# Generated by iptables-save
*nat
:PREROUTING ACCEPT [0:0]
-A PREROUTING -p tcp -m tcp --dport 81 -j REDIRECT --to-ports 8080
COMMIT
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:user-input - [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -m conntrack --ctstate INVALID -j DROP
-A INPUT -j user-input
-A INPUT -j LOG --log-prefix "[BLOCK] "
-A user-input -p tcp -m tcp --dport 22 -m comment --comment "for \"us\" -j DROP" -j ACCEPT
-A user-input -p tcp -m multiport --dports 80,443,8000:8010 -j ACCEPT
-A user-input -s 10.0.0.0/8 -p tcp -m tcp --dport 5432 -j ACCEPT
-A user-input -p udp -m udp ! --dport 1024: -m hashlimit --hashlimit-upto 5/sec -j ACCEPT
COMMIT
"#;

    #[test]
    fn saved_rules_decide_as_the_kernel_would() {
        let mut rules = Rules::default();
        read(SAVED, false, &mut rules);
        let asks = |transport, port| {
            rules.allows(Packet {
                transport,
                port,
                is_v6: false,
            })
        };
        for (port, allowed) in [
            (22, Some(true)),
            (443, Some(true)),
            (8005, Some(true)),
            (8011, Some(false)),
            (5432, None),
            (81, Some(false)),
        ] {
            assert_eq!(asks(Transport::Tcp, port), allowed, "{port}");
        }
        assert_eq!(asks(Transport::Udp, 53), None);
        assert_eq!(asks(Transport::Udp, 5353), Some(false));
    }

    #[test]
    fn odd_lines_are_not_understood_and_nothing_breaks() {
        let mut rules = Rules::default();
        read(
            "*filter\n:\n-A \n:INPUT\n-A INPUT -j\n-A INPUT --dport\n-A INPUT \"\n-A INPUT ! -p",
            true,
            &mut rules,
        );
        let packet = Packet {
            transport: Transport::Tcp,
            port: 1,
            is_v6: true,
        };
        assert_eq!(rules.allows(packet), None);
    }
}
