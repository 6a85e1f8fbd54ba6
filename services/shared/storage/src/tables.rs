//! The list of all tables with their kinds, `tables.txt`.

use std::collections::{BTreeMap, BTreeSet};

/// What kind of table it is; decides who may do what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableKind {
    /// Rows belong to an organization; row-level security is forced.
    Tenant,
    /// Shared by all organizations, read-only for requests.
    Catalog,
    /// Key → organization; reached through functions only.
    Directory,
    /// Without tenant rows; rights as stated.
    Other,
}

/// A line of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedTable {
    /// The kind.
    pub kind: TableKind,
    /// Rights of background jobs.
    pub worker: BTreeSet<String>,
    /// Rights of requests, where they differ from the kind's.
    pub app: Option<BTreeSet<String>>,
}

/// All tables by `schema.table`.
pub type TableList = BTreeMap<String, ListedTable>;

/// The platform's list.
pub fn platform() -> Result<TableList, String> {
    parse(include_str!("tables.txt"))
}

/// Reads a list; its format is described at the top of `tables.txt`.
pub fn parse(text: &str) -> Result<TableList, String> {
    let mut list = TableList::new();
    for (number, line) in text.lines().enumerate() {
        let mut words = line
            .split('#')
            .next()
            .unwrap_or_default()
            .split_whitespace();
        let Some(kind) = words.next() else { continue };
        let wrong = |what: &str| format!("line {}: {what}: {line:?}", number + 1);
        let kind = match kind {
            "tenant" => TableKind::Tenant,
            "catalog" => TableKind::Catalog,
            "directory" => TableKind::Directory,
            "other" => TableKind::Other,
            _ => return Err(wrong("unknown kind")),
        };
        let name = words
            .next()
            .filter(|name| name.split('.').count() == 2)
            .ok_or_else(|| wrong("no schema.table"))?;
        let mut table = ListedTable {
            kind,
            worker: BTreeSet::new(),
            app: None,
        };
        for word in words {
            match word.split_once('=') {
                Some(("worker", given)) => {
                    table.worker = rights(given).ok_or_else(|| wrong("unknown right"))?
                }
                Some(("app", given)) => {
                    table.app = Some(rights(given).ok_or_else(|| wrong("unknown right"))?)
                }
                _ => return Err(wrong("unknown word")),
            }
        }
        if list.insert(name.to_owned(), table).is_some() {
            return Err(wrong("listed twice"));
        }
    }
    Ok(list)
}

fn rights(text: &str) -> Option<BTreeSet<String>> {
    const KNOWN: [&str; 4] = ["select", "insert", "update", "delete"];
    text.split(',')
        .map(|word| KNOWN.contains(&word).then(|| word.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_platforms_list_is_readable() {
        assert_eq!(platform().err(), None);
    }

    #[test]
    fn lines_are_read_or_refused_by_number() {
        let list =
            parse("# x\ntenant a.b worker=select,update # why\nother a.c app=select\n").unwrap();
        assert_eq!(list["a.b"].kind, TableKind::Tenant);
        assert_eq!(list["a.b"].worker.len(), 2);
        assert_eq!(list["a.c"].app.as_ref().map(BTreeSet::len), Some(1));
        for wrong in [
            "tenat a.b",
            "tenant a",
            "tenant a.b worker=drop",
            "tenant a.b x",
            "tenant a.b\nother a.b",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
