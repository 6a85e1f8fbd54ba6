//! What can be done about a finding now: install what an origin offers, restart, remove what was left behind, or wait for a fix.
//!
//! Kernels and their companions are installed side by side, a package or a version each. An old one is never upgraded by name: it
//! is superseded by its newer sibling and is to be removed, and while it still runs, the host waits for a restart.

use crate::domain::interval::Interval;
use crate::domain::link::applicability;
use crate::domain::subject::Aliases;
use netpatch_inventory_api::{Applicability, InstallableUpdate};
use netpatch_types::version::Version;
use netpatch_types::{ComponentKey, Ecosystem};
use std::collections::HashMap;

/// Debian's packages that carry the kernel's release in their name.
const DEBIAN: [&str; 4] = [
    "linux-image-",
    "linux-headers-",
    "linux-modules-",
    "linux-kbuild-",
];

/// The newest member of each family of siblings on one host.
#[derive(Debug, Default)]
pub struct Siblings<'a> {
    newest: HashMap<(&'a str, &'a str), Version>,
    kernel: &'a str,
}

/// The family of a component that is installed side by side with its siblings.
pub fn family(component: &ComponentKey) -> Option<(&str, &str)> {
    let name = component.name.as_str();
    match component.ecosystem {
        Ecosystem::Deb => {
            let prefix = DEBIAN
                .into_iter()
                .find(|prefix| name.starts_with(prefix))
                .filter(|prefix| name[prefix.len()..].starts_with(|c: char| c.is_ascii_digit()))?;
            Some((prefix, &component.arch))
        }
        Ecosystem::Rpm if name.starts_with("kernel") => Some((name, &component.arch)),
        _ => None,
    }
}

impl<'a> Siblings<'a> {
    /// Of a host's components; `kernel` is the running one, as `uname -r` says it.
    pub fn of(
        aliases: &Aliases,
        components: impl IntoIterator<Item = &'a ComponentKey>,
        kernel: &'a str,
    ) -> Self {
        let mut newest: HashMap<_, Version> = HashMap::new();
        for component in components {
            let Some(family) = family(component) else {
                continue;
            };
            let subject = aliases.subject(component);
            if let Ok(version) = Version::parse(component.ecosystem, subject.version)
                && newest.get(&family).is_none_or(|known| *known < version)
            {
                newest.insert(family, version);
            }
        }
        Self { newest, kernel }
    }

    /// The newest sibling of a component, if it is newer.
    pub fn newer(&self, aliases: &Aliases, component: &ComponentKey) -> Option<&Version> {
        let family = family(component)?;
        let (_, newest) = self.newest.iter().find(|(known, _)| **known == family)?;
        let own = Version::parse(component.ecosystem, aliases.subject(component).version).ok()?;
        (own < *newest).then_some(newest)
    }

    /// Whether the component is the kernel that runs.
    fn runs(&self, component: &ComponentKey) -> bool {
        if self.kernel.is_empty() {
            return false;
        }
        match component.ecosystem {
            Ecosystem::Deb => component
                .name
                .strip_prefix("linux-image-")
                .is_some_and(|release| {
                    release == self.kernel || release.strip_suffix("-unsigned") == Some(self.kernel)
                }),
            Ecosystem::Rpm => {
                let version = component.version.as_str();
                let version = version.split_once(':').map_or(version, |(_, rest)| rest);
                self.kernel
                    .strip_prefix(version)
                    .and_then(|rest| rest.strip_prefix('.'))
                    .is_some_and(|rest| rest.split('+').next() == Some(component.arch.as_str()))
            }
            _ => false,
        }
    }
}

/// What can be done about a component that lies in an advisory's interval, and whether the offered update is its patch.
#[must_use]
pub fn standing(
    aliases: &Aliases,
    siblings: &Siblings<'_>,
    component: &ComponentKey,
    interval: &Interval,
    offered: Option<(&InstallableUpdate, Option<&Version>)>,
) -> (Applicability, bool) {
    if let Some((update, Some(candidate))) = offered
        && interval.ends_before(candidate)
    {
        return applicability(true, update.state);
    }
    let state = match siblings.newer(aliases, component) {
        Some(newest) if siblings.runs(component) => {
            if interval.ends_before(newest) {
                Applicability::PendingReboot
            } else {
                Applicability::Applicable
            }
        }
        Some(_) if !siblings.kernel.is_empty() => Applicability::Superseded,
        _ if interval.is_open() => Applicability::NoFixYet,
        _ => Applicability::Applicable,
    };
    (state, false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::affected::{Affected, End, Prereleases, Range, Release, Status};

    fn component(ecosystem: Ecosystem, name: &str, version: &str) -> ComponentKey {
        let is_deb = ecosystem == Ecosystem::Deb;
        ComponentKey {
            ecosystem,
            distribution: if is_deb { "debian" } else { "almalinux" }.into(),
            release: if is_deb { "bookworm" } else { "9" }.into(),
            name: name.into(),
            version: version.into(),
            arch: if is_deb { "amd64" } else { "x86_64" }.into(),
            source: if is_deb { "linux-signed-amd64" } else { name }.into(),
            source_version: version.into(),
        }
    }

    fn interval(ecosystem: Ecosystem, end: End) -> Interval {
        let affected = Affected {
            release: Release::registry(ecosystem),
            name: "linux".into(),
            status: Status::Affected,
            ranges: vec![Range {
                introduced: None,
                end,
                prereleases: Prereleases::default(),
            }],
            versions: Vec::new(),
            note: String::new(),
        };
        Interval::of(&affected, 1).expect("interval").remove(0)
    }

    fn states(kernel: &str, all: &[ComponentKey], end: End) -> Vec<Applicability> {
        let aliases = Aliases::parse("linux-signed-amd64\tlinux\n");
        let siblings = Siblings::of(&aliases, all, kernel);
        all.iter()
            .map(|one| {
                let interval = interval(one.ecosystem, end.clone());
                standing(&aliases, &siblings, one, &interval, None).0
            })
            .collect()
    }

    #[test]
    fn an_old_kernel_is_superseded_and_a_running_one_waits_for_a_restart() {
        use Applicability::{Applicable, PendingReboot, Superseded};
        let kernels = [
            component(Ecosystem::Deb, "linux-image-6.1.0-9-amd64", "6.1.27-1"),
            component(Ecosystem::Deb, "linux-image-6.1.0-20-amd64", "6.1.85-1"),
            component(Ecosystem::Deb, "linux-image-6.1.0-44-amd64", "6.1.164-1"),
        ];
        let fixed = |version: &str| End::Fixed(version.into());
        let with = |kernel: &str, end| states(kernel, &kernels, end);
        // The last is not affected by the first of these; its state is not asked for.
        assert_eq!(
            with("6.1.0-20-amd64", fixed("6.1.90-1"))[..2],
            [Superseded, PendingReboot]
        );
        assert_eq!(
            with("6.1.0-44-amd64", fixed("6.1.90-1"))[..2],
            [Superseded, Superseded]
        );
        // No installed kernel has the fix: a restart would not help.
        assert_eq!(
            with("6.1.0-20-amd64", fixed("6.1.170-1")),
            [Superseded, Applicable, Applicable]
        );
        // What runs is not known: nothing is called left behind.
        assert_eq!(with("", fixed("6.1.90-1"))[..2], [Applicable, Applicable]);
    }

    #[test]
    fn rpm_keeps_kernels_of_one_name_side_by_side() {
        use Applicability::{PendingReboot, Superseded};
        let kernels = [
            component(Ecosystem::Rpm, "kernel-core", "5.14.0-362.8.1.el9_3"),
            component(Ecosystem::Rpm, "kernel-core", "5.14.0-427.13.1.el9_4"),
        ];
        let fixed = End::Fixed("5.14.0-400.el9".into());
        assert_eq!(
            states("5.14.0-362.8.1.el9_3.x86_64", &kernels, fixed.clone())[0],
            PendingReboot
        );
        assert_eq!(
            states("5.14.0-427.13.1.el9_4.x86_64", &kernels, fixed)[0],
            Superseded
        );
    }

    #[test]
    fn without_a_fix_there_is_none_to_wait_for_by_name() {
        let curl = [component(Ecosystem::Rpm, "curl", "7-1")];
        let state = |end| states("x", &curl, end)[0];
        assert_eq!(state(End::Open), Applicability::NoFixYet);
        assert_eq!(state(End::Fixed("8".into())), Applicability::Applicable);
        assert_eq!(
            state(End::LastAffected("7-1".into())),
            Applicability::Applicable
        );
    }
}
