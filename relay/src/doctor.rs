//! `netpatch-relay doctor`: what keeps a relay from its work, and what to do about it.

use crate::config::Config;
use crate::data::DataDir;
use crate::status::Status;
use netpatch_protocol::site::{SiteRequest, stream_open};
use netpatch_tunnel::identity::{renewal_due, validity};
use netpatch_tunnel::{Limits, Over, RelayUplink, TunnelError};
use netpatch_types::SharedClock;
use netpatch_types::doctor::{Check, DoctorReport};
use rustix::fs::Access;
use std::net::UdpSocket;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

/// Looks at key, certificate, disk, cache, settings, ports, limits and edge.
pub async fn examine(data: &DataDir, config: &Config, clock: &SharedClock) -> DoctorReport {
    let mut checks = vec![key(data)];
    checks.push(certificate(data, clock));
    checks.push(disk(data, config));
    checks.push(folder(data, clock));
    checks.push(repositories(data));
    checks.push(port(data, config, clock));
    checks.extend(proxy(data, config, clock));
    checks.push(open_files(data, clock));
    checks.extend(edge(data, config, clock).await);
    DoctorReport::new(checks)
}

fn key(data: &DataDir) -> Check {
    let id = "identity.key";
    let help = "restore the data directory or claim the relay anew";
    match data.made_fingerprint() {
        Ok(fingerprint) if fingerprint.is_empty() => {
            Check::fail(id, "not made yet", "run `netpatch-relay claim`")
        }
        Ok(fingerprint) => Check::ok(id, fingerprint),
        Err(error) => Check::fail(id, error.to_string(), help),
    }
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
    let free = nix::sys::statvfs::statvfs(there(data.path()))
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
    let status = running(data, clock);
    let problem = status
        .map(|status| status.cache_problem)
        .unwrap_or_default();
    if !problem.is_empty() {
        return Check::fail(id, problem, help);
    }
    let folder = data.join("cache");
    let failed = |reason: String| Check::fail(id, format!("{}: {reason}", folder.display()), help);
    if !folder.exists() {
        // The relay makes it; a doctor that did would be its owner.
        let place = there(data.path());
        let writable = rustix::fs::access(place, Access::WRITE_OK | Access::EXEC_OK);
        return match writable {
            Ok(()) => Check::ok(id, "made at the first start"),
            Err(error) => failed(format!("{}: {error}", place.display())),
        };
    }
    let owner = |path: &Path| std::fs::metadata(path).map(|about| about.uid());
    if let (Ok(own), Ok(other)) = (owner(data.path()), owner(&folder))
        && own != other
    {
        return failed(format!(
            "belongs to user {other}, the data directory to {own}"
        ));
    }
    let probe = folder.join("doctor.new");
    let written = std::fs::write(&probe, [0; 4096]).and_then(|()| std::fs::remove_file(&probe));
    match written {
        Ok(()) => Check::ok(id, folder.display().to_string()),
        Err(error) => failed(error.to_string()),
    }
}

/// What the relay says of itself, if it runs.
fn running(data: &DataDir, clock: &SharedClock) -> Option<Status> {
    let status = Status::written(data, clock.now().timestamp_millis()).ok()??;
    matches!(status.state.as_str(), "online" | "offline").then_some(status)
}

/// A folder, or the first above it that is there.
fn there(path: &Path) -> &Path {
    let found = path.ancestors().find(|folder| folder.is_dir());
    found.unwrap_or(Path::new("/"))
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
    let running = running(data, clock).is_some();
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
    let status = running(data, clock);
    let is_open = status.is_some_and(|status| !status.proxy.is_empty());
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

/// The edge by UDP, by TCP, and whether it takes this relay.
async fn edge(data: &DataDir, config: &Config, clock: &SharedClock) -> Vec<Check> {
    let (Ok(Some(enrolment)), Ok(Some(key))) = (data.enrolment(), data.made_key()) else {
        let help = "run `netpatch-relay claim`";
        return vec![Check::fail("edge.reach", "not claimed", help)];
    };
    let identity = enrolment.identity(key);
    let limits = Limits::default();
    let edge = config.proxy.edge(&enrolment.server);
    let over =
        |over| RelayUplink::connect_over(over, &edge, enrolment.trust(), &identity, clock, limits);
    let (udp, tcp) = tokio::join!(over(Over::Quic), over(Over::Tcp));
    let is_reached = udp.is_ok() || tcp.is_ok();
    let admitted = match (&udp, &tcp) {
        (Ok(link), _) | (_, Ok(link)) => Some(admitted(link).await),
        _ => None,
    };
    let way = |id, way: String, link: Result<RelayUplink, TunnelError>, help| match link {
        Ok(link) => {
            let measured = format!("{way}, {} ms", link.round_trip().as_millis());
            link.close();
            Check::ok(id, measured)
        }
        Err(error) if is_reached => Check::warn(id, error.to_string(), help),
        Err(error) => Check::fail(id, error.to_string(), help),
    };
    let mut checks = vec![
        way(
            "edge.udp",
            enrolment.server.clone(),
            udp,
            "allow UDP to the edge in the firewall: over TCP, agents and payloads wait for each other",
        ),
        way(
            "edge.tcp",
            edge.to_string(),
            tcp,
            "allow TCP to the edge in the firewall, or set `proxy`: it is the way when UDP is blocked. Check name resolution and the clock too",
        ),
    ];
    checks.extend(admitted);
    checks
}

/// Who connects is not yet who is let in: the certificate may be revoked since.
async fn admitted(link: &RelayUplink) -> Check {
    let id = "edge.admission";
    match link.open(stream_open::Kind::Site(SiteRequest {})).await {
        Ok(_) => Check::ok(id, "the platform takes this relay"),
        Err(error) => {
            let ended = tokio::time::timeout(Duration::from_secs(2), link.closed()).await;
            Check::fail(
                id,
                ended.unwrap_or_else(|_| error.to_string()),
                "a relay that was revoked or replaced is claimed anew, in another data directory",
            )
        }
    }
}

/// A connection for each agent and for each fetch: what the running relay may open, else what this shell may.
fn open_files(data: &DataDir, clock: &SharedClock) -> Check {
    const ENOUGH: u64 = 4096;
    let id = "limits.files";
    let running = running(data, clock);
    let of = running.map_or("self".to_owned(), |status| status.pid.to_string());
    let limits = std::fs::read_to_string(format!("/proc/{of}/limits"));
    let limit = limits.ok().and_then(|text| most_open_files(&text));
    match limit {
        Some(limit) if limit < ENOUGH => Check::warn(
            id,
            limit.to_string(),
            "raise it to 65536: LimitNOFILE= in the unit, or `ulimit -n`",
        ),
        Some(limit) => Check::ok(id, limit.to_string()),
        None => Check::warn(id, "cannot be read", "run it as root"),
    }
}

/// The soft limit of proc(5) limits.
fn most_open_files(limits: &str) -> Option<u64> {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    match line.split_whitespace().next()? {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::most_open_files;

    #[test]
    fn the_soft_limit_is_read() {
        let text = "Limit                     Soft Limit           Hard Limit           Units     \n\
                    Max open files            1024                 524288               files     \n";
        assert_eq!(most_open_files(text), Some(1024));
        assert_eq!(
            most_open_files("Max open files            unlimited            unlimited  files"),
            Some(u64::MAX)
        );
        for other in [
            "",
            "Max open files",
            "Max open files x",
            "Max processes 5 5",
        ] {
            assert_eq!(most_open_files(other), None, "{other}");
        }
    }
}
