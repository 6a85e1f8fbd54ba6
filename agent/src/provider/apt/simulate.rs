//! What `apt-get -s` and `apt-get --print-uris` say: the transaction, and the hash and size of every payload.

use netpatch_types::Sha256;

/// One line of a simulation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Action {
    /// Binary package.
    pub(crate) name: String,
    /// `amd64`, `all`; empty for a removal of a native package.
    pub(crate) arch: String,
    /// The installed version, if any.
    pub(crate) before: Option<String>,
    /// The version to be installed; `None` for a removal.
    pub(crate) after: Option<String>,
}

/// What apt would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Simulation {
    /// Installs, upgrades and removals.
    pub(crate) actions: Vec<Action>,
}

/// Reads a simulation.
pub(crate) fn parse(text: &str) -> Simulation {
    let mut simulation = Simulation::default();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("Inst ") {
            simulation.actions.extend(install(rest));
        } else if let Some(rest) = line
            .strip_prefix("Remv ")
            .or_else(|| line.strip_prefix("Purg "))
        {
            simulation.actions.extend(removal(rest));
        }
    }
    simulation
}

/// `name[:arch] [old] (new origin, origin [arch]) [broken…]`
fn install(rest: &str) -> Option<Action> {
    let (head, tail) = rest.split_once('(')?;
    let (inner, _) = tail.split_once(')')?;
    let name = head.split_whitespace().next()?;
    let before = head
        .split_once('[')
        .and_then(|(_, old)| old.split_once(']'))
        .map(|(old, _)| old.to_owned());
    let after = inner.split_whitespace().next()?.to_owned();
    let arch = inner.rsplit_once('[')?.1.trim_end_matches(']').to_owned();
    let name = name
        .split_once(':')
        .map_or(name, |(name, _)| name)
        .to_owned();
    Some(Action {
        name,
        arch,
        before,
        after: Some(after),
    })
}

/// `name[:arch] [old]`
fn removal(rest: &str) -> Option<Action> {
    let word = rest.split_whitespace().next()?;
    let (name, arch) = word.split_once(':').unwrap_or((word, ""));
    let before = rest
        .split_once('[')
        .and_then(|(_, old)| old.split_once(']'))
        .map(|(old, _)| old.to_owned());
    Some(Action {
        name: name.to_owned(),
        arch: arch.to_owned(),
        before,
        after: None,
    })
}

/// One payload that apt would fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Payload {
    /// Binary package.
    pub(crate) name: String,
    /// Version.
    pub(crate) version: String,
    /// `amd64`, `all`.
    pub(crate) arch: String,
    /// Where apt fetches it.
    pub(crate) url: String,
    /// The file's name in a cache folder.
    pub(crate) file_name: String,
    /// Size, bytes.
    pub(crate) size_bytes: u64,
    /// From the verified index.
    pub(crate) sha256: Sha256,
}

/// Reads `'uri' name_version_arch.deb size SHA256:hex`; other lines are skipped.
pub(crate) fn payloads(text: &str) -> Vec<Payload> {
    text.lines().filter_map(payload).collect()
}

fn payload(line: &str) -> Option<Payload> {
    let (url, rest) = line.strip_prefix('\'')?.split_once("' ")?;
    let mut words = rest.split_whitespace();
    let file_name = words.next()?;
    let size_bytes = words.next()?.parse().ok()?;
    let sha256 = words.next()?.strip_prefix("SHA256:")?.parse().ok()?;
    let mut parts = file_name.strip_suffix(".deb")?.splitn(3, '_');
    let (name, version, arch) = (parts.next()?, parts.next()?, parts.next()?);
    Some(Payload {
        name: name.to_owned(),
        version: version.replace("%3a", ":"),
        arch: arch.to_owned(),
        url: url.to_owned(),
        file_name: file_name.to_owned(),
        size_bytes,
        sha256,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "NOTE: This is only a simulation!\nThe following packages will be upgraded:\n  libc6\nRemv old [1.0] [libc6:amd64 ]\nInst libc6 [2.36-9] (2.36-9+deb12u1 Debian:12.15/oldstable, Debian-Security:12/oldstable-security [amd64]) [other:amd64 ]\nInst new:i386 (1:1.0-1 local-deb [i386])\nConf libc6 (2.36-9+deb12u1 Debian:12 [amd64])\n";

    #[test]
    fn a_simulation_is_read() {
        let simulation = parse(TEXT);
        assert_eq!(simulation.actions.len(), 3);
        assert_eq!(simulation.actions[0].after, None);
        let libc = &simulation.actions[1];
        assert_eq!(
            (
                libc.before.as_deref(),
                libc.after.as_deref(),
                libc.arch.as_str()
            ),
            (Some("2.36-9"), Some("2.36-9+deb12u1"), "amd64")
        );
        let new = &simulation.actions[2];
        assert_eq!(
            (
                new.name.as_str(),
                new.before.as_deref(),
                new.after.as_deref()
            ),
            ("new", None, Some("1:1.0-1"))
        );
    }

    #[test]
    fn payloads_have_decoded_epochs() {
        let hex = "ab".repeat(32);
        let line = format!(
            "'http://x.invalid/pool/a.deb' a_1%3a2.0-1_all.deb 17 SHA256:{hex}\nnoise\n'http://x' a_1_all.deb 17 MD5Sum:00\n"
        );
        let payloads = payloads(&line);
        assert_eq!(payloads.len(), 1);
        assert_eq!(payloads[0].url, "http://x.invalid/pool/a.deb");
        assert_eq!(
            (payloads[0].version.as_str(), payloads[0].size_bytes),
            ("1:2.0-1", 17)
        );
    }
}
