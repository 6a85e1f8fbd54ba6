//! Which facts are taken: texts are short and hold no control characters, lists are bounded.

use netpatch_inventory_api::{
    HostFacts, MAX_DEVICES, MAX_PROVIDERS, MAX_SOCKETS, MAX_STALE_FILES, MAX_STALE_SERVICES,
};
use netpatch_types::{ServiceError, ServiceResult};

/// Longest text, bytes.
const MAX_TEXT_BYTES: usize = 255;
/// Longest path and longest problem, bytes.
const MAX_LONG_BYTES: usize = 1_024;

/// Refuses facts that no agent of ours sends.
pub fn check(facts: &HostFacts) -> ServiceResult<()> {
    for (field, text) in [
        ("hostname", &facts.hostname),
        ("osId", &facts.os_id),
        ("osVersion", &facts.os_version),
        ("osRelease", &facts.os_release),
        ("osName", &facts.os_name),
        ("arch", &facts.arch),
        ("kernel", &facts.kernel),
        ("timeZone", &facts.time_zone),
        ("bootId", &facts.boot_id),
        ("installedKernel", &facts.installed_kernel),
        ("firewall", &facts.firewall.reader),
    ] {
        short(field, text)?;
    }
    if facts.hostname.is_empty() {
        return Err(ServiceError::invalid("hostname", "a host has a name"));
    }
    if facts.machine_id.len() != 64
        || !facts
            .machine_id
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit())
    {
        return Err(ServiceError::invalid("machineId", "64 hexadecimal digits"));
    }
    long("firewall", &facts.firewall.problem)?;
    sockets(facts)?;
    hardware(facts)?;
    at_most(
        "staleServices",
        facts.stale_services.len(),
        MAX_STALE_SERVICES,
    )?;
    for service in &facts.stale_services {
        short("staleServices", &service.unit)?;
        short("staleServices", &service.process)?;
        at_most("staleServices", service.files.len(), MAX_STALE_FILES)?;
        for file in &service.files {
            long("staleServices", file)?;
        }
    }
    at_most("providers", facts.providers.len(), MAX_PROVIDERS)?;
    for provider in &facts.providers {
        short("providers", &provider.name)?;
        long("providers", &provider.problem)?;
    }
    Ok(())
}

fn sockets(facts: &HostFacts) -> ServiceResult<()> {
    at_most("listening", facts.listening.len(), MAX_SOCKETS)?;
    for socket in &facts.listening {
        if !matches!(socket.protocol.as_str(), "tcp" | "udp") {
            return Err(ServiceError::invalid("listening", "tcp or udp"));
        }
        if socket.address.parse::<std::net::IpAddr>().is_err() {
            return Err(ServiceError::invalid("listening", "not an IP address"));
        }
        for text in [&socket.process, &socket.unit, &socket.package] {
            short("listening", text)?;
        }
    }
    Ok(())
}

fn hardware(facts: &HostFacts) -> ServiceResult<()> {
    let machine = &facts.hardware;
    for text in [
        &facts.vendor,
        &facts.model,
        &facts.serial,
        &machine.firmware,
        &machine.processor,
        &machine.virtualization,
        &machine.chassis,
    ] {
        short("hardware", text)?;
    }
    at_most("hardware", machine.disks.len(), MAX_DEVICES)?;
    at_most("hardware", machine.cards.len(), MAX_DEVICES)?;
    for disk in &machine.disks {
        short("hardware", &disk.name)?;
        short("hardware", &disk.model)?;
    }
    for card in &machine.cards {
        short("hardware", &card.name)?;
        short("hardware", &card.address)?;
    }
    Ok(())
}

fn short(field: &str, text: &str) -> ServiceResult<()> {
    fits(field, text, MAX_TEXT_BYTES)
}

fn long(field: &str, text: &str) -> ServiceResult<()> {
    fits(field, text, MAX_LONG_BYTES)
}

fn fits(field: &str, text: &str, longest: usize) -> ServiceResult<()> {
    if text.len() > longest || text.chars().any(char::is_control) {
        Err(ServiceError::invalid(
            field,
            format!("at most {longest} bytes, no control characters"),
        ))
    } else {
        Ok(())
    }
}

fn at_most(field: &str, count: usize, most: usize) -> ServiceResult<()> {
    if count > most {
        Err(ServiceError::invalid(
            field,
            format!("at most {most} of them"),
        ))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use netpatch_inventory_api::{ListeningSocket, StaleService};

    fn facts() -> HostFacts {
        HostFacts {
            hostname: "host-1".into(),
            machine_id: "0".repeat(64),
            listening: vec![ListeningSocket {
                protocol: "tcp".into(),
                address: "::".into(),
                port: 22,
                not_loopback: true,
                ..ListeningSocket::default()
            }],
            ..HostFacts::default()
        }
    }

    #[test]
    fn what_no_agent_sends_is_refused() {
        check(&facts()).expect("fine");
        type Change = fn(&mut HostFacts);
        let odd: [Change; 9] = [
            |facts| facts.hostname.clear(),
            |facts| facts.machine_id.push('0'),
            |facts| facts.kernel.push('\n'),
            |facts| facts.listening[0].protocol = "sctp".into(),
            |facts| facts.listening[0].address = "everywhere".into(),
            |facts| facts.listening[0].process = "x".repeat(256),
            |facts| facts.listening = vec![facts.listening[0].clone(); MAX_SOCKETS + 1],
            |facts| facts.stale_services = vec![StaleService::default(); MAX_STALE_SERVICES + 1],
            |facts| facts.serial = "a\u{0}".into(),
        ];
        for change in odd {
            let mut facts = facts();
            change(&mut facts);
            check(&facts).expect_err("refused");
        }
    }
}
