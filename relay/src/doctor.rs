//! `netpatch-relay doctor`: what keeps a relay from its work, and what to do about it.

use crate::config::Config;
use crate::data::DataDir;
use netpatch_tunnel::identity::{renewal_due, validity};
use netpatch_tunnel::{CarrierKind, Limits, RelayUplink};
use netpatch_types::SharedClock;
use netpatch_types::doctor::{Check, DoctorReport};
use std::net::UdpSocket;

/// Looks at key, certificate, disk, settings, port and edge.
pub async fn examine(data: &DataDir, config: &Config, clock: &SharedClock) -> DoctorReport {
    let mut checks = vec![match data.fingerprint() {
        Ok(fingerprint) => Check::ok("identity.key", fingerprint.to_string()),
        Err(error) => Check::fail(
            "identity.key",
            error.to_string(),
            "restore the data directory or claim the relay anew",
        ),
    }];
    checks.push(certificate(data, clock));
    checks.push(disk(data, config));
    checks.push(folder(data, clock));
    checks.push(repositories(data));
    checks.push(port(data, config, clock));
    checks.extend(proxy(data, config, clock));
    checks.push(edge(data, config, clock).await);
    DoctorReport::new(checks)
}

fn certificate(data: &DataDir, clock: &SharedClock) -> Check {
    let id = "identity.certificate";
    let enrolment = match data.enrolment() {
        Ok(Some(enrolment)) => enrolment,
        Ok(None) => return Check::fail(id, "not claimed", "run `netpatch-relay claim`"),
        Err(error) => return Check::fail(id, error.to_string(), "claim the relay anew"),
    };
    let now = clock.now().timestamp();
    match validity(&enrolment.certificate) {
        Ok((from, _)) if now < from => Check::fail(
            id,
            "not valid yet",
            "set the clock: it is behind the platform's",
        ),
        Ok((_, to)) if now > to => {
            let ago = (now - to) / 86_400;
            Check::fail(
                id,
                format!("expired {ago} days ago"),
                "let the relay reach the edge: it renews by itself for 180 days",
            )
        }
        Ok((_, to)) => {
            let days = format!("{} days left", (to - now) / 86_400);
            if now >= renewal_due(&enrolment.certificate) {
                Check::warn(id, days, "renewal is due: check the connection to the edge")
            } else {
                Check::ok(id, days)
            }
        }
        Err(error) => Check::fail(id, error.to_string(), "claim the relay anew"),
    }
}

fn disk(data: &DataDir, config: &Config) -> Check {
    let id = "disk.free";
    let free = nix::sys::statvfs::statvfs(data.path())
        .map(|stat| stat.blocks_available() * stat.fragment_size());
    match free {
        Ok(free) if free < 256 << 20 => Check::fail(
            id,
            format!("{free} bytes"),
            "free space or move the data directory",
        ),
        Ok(free) if free < config.cache_budget_bytes / 10 => Check::warn(
            id,
            format!("{free} bytes"),
            "lower cache_budget_bytes or add space",
        ),
        Ok(free) => Check::ok(id, format!("{free} bytes")),
        Err(error) => Check::fail(id, error.to_string(), "check the data directory"),
    }
}

/// The cache's folder takes payloads.
fn folder(data: &DataDir, clock: &SharedClock) -> Check {
    let id = "cache.folder";
    let help = "make room, mount the disk writable or give the folder back to the relay: meanwhile nothing is kept";
    let status = crate::status::Status::read(data, clock.now().timestamp_millis());
    let problem = status
        .ok()
        .filter(|status| matches!(status.state.as_str(), "online" | "offline"))
        .map(|status| status.cache_problem)
        .unwrap_or_default();
    if !problem.is_empty() {
        return Check::fail(id, problem, help);
    }
    let folder = data.join("cache");
    let probe = folder.join("doctor.new");
    let written = std::fs::create_dir_all(&folder)
        .and_then(|()| std::fs::write(&probe, [0; 4096]))
        .and_then(|()| std::fs::remove_file(&probe));
    match written {
        Ok(()) => Check::ok(id, folder.display().to_string()),
        Err(error) => Check::fail(id, format!("{}: {error}", folder.display()), help),
    }
}

fn repositories(data: &DataDir) -> Check {
    let id = "site.repositories";
    match data.settings() {
        Ok(settings) if settings.upstreams.is_empty() => Check::warn(
            id,
            "none",
            "hosts get no payloads here until the site lists its repositories",
        ),
        Ok(settings) => Check::ok(id, settings.upstreams.len().to_string()),
        Err(error) => Check::fail(
            id,
            error.to_string(),
            "delete settings.pb: the relay asks for it again",
        ),
    }
}

/// The port is free, or this relay has it.
fn port(data: &DataDir, config: &Config, clock: &SharedClock) -> Check {
    let id = "listen.udp";
    let running = crate::status::Status::read(data, clock.now().timestamp_millis())
        .is_ok_and(|status| matches!(status.state.as_str(), "online" | "offline"));
    match UdpSocket::bind(config.listen) {
        Ok(_) if running => Check::ok(id, "the relay runs on another address"),
        Ok(_) => Check::warn(
            id,
            format!("{} is free", config.listen),
            "start the relay: `netpatch-relay run`",
        ),
        Err(_) if running => Check::ok(id, config.listen.to_string()),
        Err(error) => Check::fail(
            id,
            format!("{}: {error}", config.listen),
            "stop what holds the port or set `listen`",
        ),
    }
}

/// Only where the configuration wants it.
fn proxy(data: &DataDir, config: &Config, clock: &SharedClock) -> Option<Check> {
    let (id, at) = ("listen.proxy", config.proxy_listen?);
    let settings = data.settings().unwrap_or_default();
    if !settings.serves_proxy {
        return Some(Check::warn(
            id,
            format!("{at}, refusing"),
            "the site does not allow it: an administrator can, on the portal's page of sites",
        ));
    }
    let status = crate::status::Status::read(data, clock.now().timestamp_millis());
    let is_open = status.is_ok_and(|status| {
        matches!(status.state.as_str(), "online" | "offline") && !status.proxy.is_empty()
    });
    Some(if is_open {
        Check::ok(id, at.to_string())
    } else {
        match std::net::TcpListener::bind(at) {
            Ok(_) => Check::warn(
                id,
                format!("{at} is free"),
                "start the relay: `netpatch-relay run`",
            ),
            Err(error) => Check::fail(
                id,
                format!("{at}: {error}"),
                "stop what holds the port or set `proxy_listen`, then start the relay anew",
            ),
        }
    })
}

async fn edge(data: &DataDir, config: &Config, clock: &SharedClock) -> Check {
    let id = "edge.reach";
    let (Ok(Some(enrolment)), Ok(key)) = (data.enrolment(), data.key()) else {
        return Check::fail(id, "not claimed", "run `netpatch-relay claim`");
    };
    let identity = enrolment.identity(key);
    let limits = Limits::default();
    let edge = config.proxy.edge(&enrolment.server);
    let link = RelayUplink::connect(&edge, enrolment.trust(), &identity, clock, limits);
    match link.await {
        Ok(link) => {
            let way = match link.carrier() {
                CarrierKind::Tcp => edge.to_string(),
                _ => enrolment.server,
            };
            let measured = format!("{way}, {} ms", link.round_trip().as_millis());
            link.close();
            Check::ok(id, measured)
        }
        Err(error) => Check::fail(
            id,
            error.to_string(),
            "allow UDP, or at least TCP, to the edge in the firewall, and check name resolution",
        ),
    }
}
