//! A dpkg status file against Debian's advisories.

use super::Told;
use netpatch_inventory::domain::dpkg::{MAX_LINE_BYTES, StatusReader};
use netpatch_inventory::domain::lines::for_each_line;
use netpatch_inventory::domain::subject::Rule;
use netpatch_inventory::pack::offline::Offline;
use netpatch_inventory::pack::release;
use netpatch_types::ComponentKey;
use std::io::{BufRead, BufWriter, Write as _};

/// What is printed beside CVEs of unsigned packages.
pub(super) struct Show {
    /// Advisories without a CVE.
    pub(super) all: bool,
    /// Signed packages.
    pub(super) signed: bool,
}

pub(super) fn run(
    pack: &Offline,
    from: impl BufRead,
    show: Show,
    told: &mut Told,
) -> anyhow::Result<()> {
    let components = components(from, told)?;
    let matcher = pack.load_debian(&components, show.all)?;
    super::note(&matcher);
    let mut rows = Vec::new();
    for component in &components {
        let matches = match matcher.matches(component) {
            Ok(matches) => matches,
            Err(error) => {
                told.tell(format_args!("{}: {error}", component.name));
                continue;
            }
        };
        for one in matches {
            let is_wanted = (show.all || one.advisory.starts_with("CVE-"))
                && (show.signed || one.rule != Rule::DebianSignedBinary);
            if is_wanted {
                rows.push((
                    one.advisory,
                    component.name.as_str(),
                    one.package,
                    one.version,
                    one.fixed.unwrap_or_default(),
                ));
            }
        }
    }
    rows.sort_unstable();
    rows.dedup();
    let mut out = BufWriter::new(std::io::stdout().lock());
    writeln!(out, "#cve\tbinary\tsource\tsource_version\tfixed")?;
    for (advisory, binary, source, version, fixed) in rows {
        writeln!(out, "{advisory}\t{binary}\t{source}\t{version}\t{fixed}")?;
    }
    Ok(out.flush()?)
}

fn components(from: impl BufRead, told: &mut Told) -> anyhow::Result<Vec<ComponentKey>> {
    let mut reader = StatusReader::new(release());
    let mut components = Vec::new();
    let mut take = |paragraph| match paragraph {
        Some(Ok(Some(component))) => components.push(component),
        Some(Err(broken)) => told.tell(format_args!("status file: {broken}")),
        Some(Ok(None)) | None => {}
    };
    for_each_line(from, MAX_LINE_BYTES, |_, line| take(reader.line(line)))?;
    take(reader.finish());
    Ok(components)
}
