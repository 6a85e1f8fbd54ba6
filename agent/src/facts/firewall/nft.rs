//! nftables, from `nft -j list ruleset` (libnftables-json(5)).

use super::{Chain, Entry, Rule, Rules, Test, Then};
use crate::facts::sockets::Transport;
use serde_json::Value;
use std::collections::HashMap;

/// Most elements of one set that are looked at.
const MAX_ELEMENTS: usize = 100_000;

/// Sets by table and name.
type Sets<'a> = HashMap<String, &'a [Value]>;

/// The rules, and the tables with rules that only iptables understands.
pub(super) fn read(json: &str) -> Result<(Rules, Vec<String>), String> {
    let document: Value =
        serde_json::from_str(json).map_err(|error| format!("nft prints no JSON: {error}"))?;
    let objects = document["nftables"]
        .as_array()
        .ok_or("nft prints no rule set")?;
    let mut sets = Sets::new();
    for set in objects.iter().filter_map(|object| object.get("set")) {
        let elements = set["elem"].as_array().map_or(&[][..], Vec::as_slice);
        sets.insert(name(set, "table", "name"), elements);
    }
    let (mut rules, mut foreign) = (Rules::default(), Vec::new());
    for chain in objects.iter().filter_map(|object| object.get("chain")) {
        let id = name(chain, "table", "name");
        let hook = chain["hook"].as_str().unwrap_or_default();
        let comes_in = matches!(hook, "input" | "prerouting" | "ingress");
        if comes_in && chain["type"].as_str() == Some("filter") {
            rules.entries.push(Entry {
                chain: id.clone(),
                accepts: chain["policy"].as_str() != Some("drop"),
                v6: match chain["family"].as_str() {
                    Some("ip") => Some(false),
                    Some("ip6") => Some(true),
                    _ => None,
                },
            });
        }
        rules.chains.insert(id, Chain::default());
    }
    for rule in objects.iter().filter_map(|object| object.get("rule")) {
        let table = format!("{}/{}/", word(rule, "family"), word(rule, "table"));
        let (read, is_foreign) = statements(rule, &table, &sets);
        if is_foreign && !foreign.contains(&table) {
            foreign.push(table);
        }
        let chain = rules.chains.entry(name(rule, "table", "chain"));
        chain.or_default().rules.extend(read);
    }
    Ok((rules, foreign))
}

fn word<'a>(object: &'a Value, key: &str) -> &'a str {
    object[key].as_str().unwrap_or_default()
}

fn name(object: &Value, table: &str, own: &str) -> String {
    format!(
        "{}/{}/{}",
        word(object, "family"),
        word(object, table),
        word(object, own)
    )
}

/// The rules that one becomes: a verdict map is one for each element.
fn statements(rule: &Value, table: &str, sets: &Sets<'_>) -> (Vec<Rule>, bool) {
    let (mut tests, mut read, mut is_foreign) = (Vec::new(), Vec::new(), false);
    let empty = Vec::new();
    for statement in rule["expr"].as_array().unwrap_or(&empty) {
        let Some((kind, body)) = statement
            .as_object()
            .and_then(|object| object.iter().next())
        else {
            tests.push(Test::Maybe);
            continue;
        };
        if let Some(then) = verdict(statement, table) {
            read.push(Rule {
                tests: tests.clone(),
                then,
            });
            continue;
        }
        match kind.as_str() {
            "match" => tests.extend(matching(body, table, sets)),
            "vmap" => {
                let pairs = body["data"]["set"].as_array().unwrap_or(&empty);
                for pair in pairs.iter().take(MAX_ELEMENTS) {
                    let element = std::slice::from_ref(&pair[0]);
                    let key = has(&body["key"], element);
                    read.push(Rule {
                        tests: tests.iter().cloned().chain(key).collect(),
                        then: verdict(&pair[1], table).unwrap_or(Then::Anything),
                    });
                }
                if pairs.is_empty() {
                    // A map by name: its elements are not here.
                    read.push(Rule {
                        tests: tests.clone(),
                        then: Then::Anything,
                    });
                }
            }
            "counter" | "log" | "comment" | "mangle" | "notrack" | "nop" | "dup" | "ct helper"
            | "ct timeout" | "flow" => {}
            "xt" => {
                is_foreign = true;
                tests.push(Test::Maybe);
            }
            "queue" | "synproxy" | "tproxy" | "fwd" => read.push(Rule {
                tests: tests.clone(),
                then: Then::Anything,
            }),
            _ => tests.push(Test::Maybe),
        }
    }
    if is_foreign && read.is_empty() {
        read.push(Rule {
            tests,
            then: Then::Anything,
        });
    }
    (read, is_foreign)
}

fn verdict(statement: &Value, table: &str) -> Option<Then> {
    let (kind, body) = statement.as_object()?.iter().next()?;
    let target = || format!("{table}{}", word(body, "target"));
    Some(match kind.as_str() {
        "accept" => Then::Accept,
        "drop" | "reject" => Then::Drop,
        "return" => Then::Return,
        "continue" => Then::Nothing,
        "jump" => Then::Jump(target()),
        "goto" => Then::Goto(target()),
        _ => return None,
    })
}

fn matching(body: &Value, table: &str, sets: &Sets<'_>) -> Vec<Test> {
    let negated = match word(body, "op") {
        "==" | "in" => false,
        "!=" => true,
        operator => return order(operator, body),
    };
    let right = &body["right"];
    let named = right
        .as_str()
        .and_then(|name| sets.get(&format!("{table}{}", name.strip_prefix('@')?)));
    let elements = match (right, named) {
        (_, Some(elements)) => elements,
        (Value::Array(list), _) => list.as_slice(),
        (Value::Object(object), _) if object.contains_key("set") => {
            right["set"].as_array().map_or(&[][..], Vec::as_slice)
        }
        _ => std::slice::from_ref(right),
    };
    if right.as_str().is_some_and(|name| name.starts_with('@')) && named.is_none() {
        return vec![Test::Maybe];
    }
    let mut tests = has(&body["left"], elements);
    // Of a port both halves hold, "of this transport" and "this port": only the last is what is negated.
    if let Some(last) = tests.pop() {
        tests.push(last.negated_if(negated));
    }
    tests
}

/// `tcp dport < 1024`
fn order(operator: &str, body: &Value) -> Vec<Test> {
    let bound = body["right"]
        .as_u64()
        .and_then(|port| u16::try_from(port).ok());
    let range = bound.and_then(|bound| match operator {
        "<" => Some((0, bound.checked_sub(1)?)),
        "<=" => Some((0, bound)),
        ">" => Some((bound.checked_add(1)?, u16::MAX)),
        ">=" => Some((bound, u16::MAX)),
        _ => None,
    });
    match (port_of(&body["left"]), range) {
        (Some(mut tests), Some(range)) => {
            tests.push(Test::Port(vec![range]));
            tests
        }
        _ => vec![Test::Maybe],
    }
}

/// That the packet's `left` is one of the elements: all of these hold.
fn has(left: &Value, elements: &[Value]) -> Vec<Test> {
    if elements.len() > MAX_ELEMENTS {
        return vec![Test::Maybe];
    }
    if let Some(mut tests) = port_of(left) {
        let ranges: Option<Vec<_>> = elements.iter().map(range).collect();
        tests.push(ranges.map_or(Test::Maybe, Test::Port));
        return tests;
    }
    let words: Vec<&str> = elements
        .iter()
        .filter_map(|element| inner(element).as_str())
        .collect();
    let any = |wanted: &[&str]| words.iter().any(|word| wanted.contains(word));
    let known = |yes| if yes { Test::Always } else { Test::Never };
    let (meta, payload) = (&left["meta"], &left["payload"]);
    let test = match (
        word(meta, "key"),
        word(payload, "protocol"),
        word(payload, "field"),
    ) {
        ("iifname" | "iif", ..) if words == ["lo"] => Test::Never,
        ("l4proto", ..) | (_, "ip", "protocol") | (_, "ip6", "nexthdr") => {
            match (any(&["tcp"]), any(&["udp"])) {
                _ if words.len() < elements.len() => Test::Maybe,
                (true, true) => Test::Always,
                (true, false) => Test::Transport(Transport::Tcp),
                (false, true) => Test::Transport(Transport::Udp),
                (false, false) => Test::Never,
            }
        }
        ("nfproto" | "protocol", ..) => match (any(&["ipv4", "ip"]), any(&["ipv6", "ip6"])) {
            (true, true) => Test::Always,
            (true, false) => Test::Not(Box::new(Test::V6)),
            (false, true) => Test::V6,
            (false, false) => Test::Maybe,
        },
        (_, "icmp" | "icmpv6" | "igmp" | "esp" | "ah" | "sctp" | "dccp", _) => Test::Never,
        _ if word(&left["ct"], "key") == "state" => known(any(&["new"])),
        _ if word(&left["fib"], "result") == "type" => known(any(&["local"])),
        _ => flags(left, &words).unwrap_or(Test::Maybe),
    };
    vec![test]
}

/// `tcp flags & (fin|syn|rst|ack)`: the first packet of a connection carries `syn` alone.
fn flags(left: &Value, words: &[&str]) -> Option<Test> {
    let sides = left["&"].as_array()?;
    let is_flags = |side: &Value| word(&side["payload"], "field") == "flags";
    let (Some(field), Some(mask)) = (sides.first(), sides.get(1)) else {
        return None;
    };
    if !is_flags(field) {
        return None;
    }
    let mask: Vec<&str> = match mask {
        Value::String(one) => vec![one],
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
        _ => return None,
    };
    let carried: &[&str] = if mask.contains(&"syn") { &["syn"] } else { &[] };
    Some(if words == carried {
        Test::Always
    } else {
        Test::Never
    })
}

/// The conditions that a port of this transport is meant; `None` when `left` is no destination port.
fn port_of(left: &Value) -> Option<Vec<Test>> {
    let payload = &left["payload"];
    if word(payload, "field") != "dport" {
        return None;
    }
    match word(payload, "protocol") {
        "tcp" => Some(vec![Test::Transport(Transport::Tcp)]),
        "udp" => Some(vec![Test::Transport(Transport::Udp)]),
        "th" => Some(Vec::new()),
        _ => Some(vec![Test::Never]),
    }
}

/// An element may carry a counter or a time.
fn inner(element: &Value) -> &Value {
    match element.get("elem") {
        Some(wrapped) => &wrapped["val"],
        None => element,
    }
}

fn range(element: &Value) -> Option<(u16, u16)> {
    let port = |value: &Value| u16::try_from(value.as_u64()?).ok();
    let element = inner(element);
    match element.get("range") {
        Some(ends) => Some((port(&ends[0])?, port(&ends[1])?)),
        None => port(element).map(|port| (port, port)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_rule_set_is_refused_and_odd_rules_are_not_understood() {
        for odd in ["", "[]", "{}", "{\"nftables\":{}}", "\u{0}"] {
            read(odd).expect_err(odd);
        }
        for odd in [
            r#"{"nftables":[1,null,{"rule":7},{"chain":{"hook":3}},{"set":{"elem":"x"}}]}"#,
            r#"{"nftables":[{"rule":{"family":"ip","table":"t","chain":"c","expr":[7,{},{"match":null},{"vmap":[]},{"jump":7}]}}]}"#,
        ] {
            let (rules, _) = read(odd).expect("a rule set");
            assert!(rules.entries.is_empty());
        }
    }
}
