//! Files that were replaced while a program has them mapped: it runs the old code until it starts anew.

use super::process::Process;
use netpatch_protocol::session::StaleService;
use std::collections::{BTreeMap, BTreeSet};

/// Most services.
const MAX_SERVICES: usize = 256;
/// Most files that are named of one service.
const MAX_FILES: usize = 10;

/// The services, and programs outside of any, that still use replaced files; sorted. The agent's own process is left out: it
/// starts itself anew.
pub(crate) fn stale_services(processes: &[Process]) -> Vec<StaleService> {
    let mut services: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    let own = std::process::id();
    for process in processes {
        if process.id != own && !process.replaced.is_empty() {
            services
                .entry((&process.unit, &process.name))
                .or_default()
                .extend(process.replaced.iter().map(String::as_str));
        }
    }
    services
        .into_iter()
        .take(MAX_SERVICES)
        .map(|((unit, process), files)| StaleService {
            unit: unit.to_owned(),
            process: process.to_owned(),
            files: files
                .into_iter()
                .take(MAX_FILES)
                .map(str::to_owned)
                .collect(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_of_one_service_are_one() {
        let process = |id, unit: &str, name: &str, files: &[&str]| Process {
            id,
            unit: unit.into(),
            name: name.into(),
            replaced: files.iter().map(|file| (*file).to_owned()).collect(),
            ..Process::default()
        };
        let many: Vec<String> = (0..50).map(|n| format!("/usr/lib/{n:02}.so")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let stale = stale_services(&[
            process(1, "nginx.service", "nginx", &["/usr/lib/b.so"]),
            process(
                2,
                "nginx.service",
                "nginx",
                &["/usr/lib/a.so", "/usr/lib/b.so"],
            ),
            process(3, "ssh.service", "sshd", &[]),
            process(4, "", "bash", &many),
            process(
                std::process::id(),
                "netpatch-agent.service",
                "x",
                &["/usr/lib/a.so"],
            ),
        ]);
        assert_eq!(stale.len(), 2, "{stale:?}");
        assert_eq!(
            (stale[0].process.as_str(), stale[0].files.len()),
            ("bash", 10)
        );
        assert_eq!(stale[1].files, ["/usr/lib/a.so", "/usr/lib/b.so"]);
    }
}
