//! Forward-only pages. Cursors are made by the gateway; services see the last sort key as text.

use serde::{Deserialize, Serialize};

/// Which part of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageRequest {
    /// How many, 1–100; services clamp.
    pub first: u32,
    /// The `end` of the page before; opaque to the caller.
    pub after: Option<String>,
}

impl PageRequest {
    /// The first page of the largest size.
    #[must_use]
    pub fn largest() -> Self {
        Self {
            first: 100,
            after: None,
        }
    }

    /// The size within the limits.
    #[must_use]
    pub fn limit(&self) -> u64 {
        u64::from(self.first.clamp(1, 100))
    }
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    /// The rows with the `after` value that continues behind each.
    pub rows: Vec<PageRow<T>>,
    /// Whether there are more.
    pub has_next: bool,
    /// How many in all, counted up to 10,000; `None` when not counted.
    pub total: Option<u64>,
}

/// A row of a page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageRow<T> {
    /// `after` for the rows behind this one.
    pub cursor: String,
    /// The row.
    pub node: T,
}

impl<T> Page<T> {
    /// A page without rows.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            rows: Vec::new(),
            has_next: false,
            total: Some(0),
        }
    }

    /// From up to limit + 1 rows in order, with the cursor of a row.
    pub fn from_rows(mut rows: Vec<T>, limit: u64, cursor: impl Fn(&T) -> String) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_next = rows.len() > limit;
        rows.truncate(limit);
        let rows = rows
            .into_iter()
            .map(|node| PageRow {
                cursor: cursor(&node),
                node,
            })
            .collect();
        Self {
            rows,
            has_next,
            total: None,
        }
    }

    /// The rows alone.
    pub fn into_nodes(self) -> Vec<T> {
        self.rows.into_iter().map(|row| row.node).collect()
    }

    /// The same page of other nodes.
    pub fn map<U>(self, mut f: impl FnMut(T) -> U) -> Page<U> {
        Page {
            rows: self
                .rows
                .into_iter()
                .map(|row| PageRow {
                    cursor: row.cursor,
                    node: f(row.node),
                })
                .collect(),
            has_next: self.has_next,
            total: self.total,
        }
    }
}
