//! Pages of lists (Relay cursor connections, forward only).
//!
//! A cursor is base64url(8 bytes of the hash of list and filter ‖ the service's cursor). Used with another list or other
//! filters it is refused as wrong input, not misread.

use crate::graphql::Result;
use async_graphql::{Object, OutputType, SimpleObject, TypeName};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use netpatch_types::{Page, PageRequest, ServiceError, Sha256};
use serde::Serialize;
use std::borrow::Cow;

/// Services count up to this.
const COUNTED: u64 = 10_000;

/// A node with its place in the list.
#[derive(Clone, SimpleObject)]
#[graphql(name_type)]
pub struct Edge<T: OutputType> {
    /// Opaque; `after` for what comes behind this node.
    pub cursor: String,
    /// The node.
    pub node: T,
}

impl<T: OutputType> TypeName for Edge<T> {
    fn type_name() -> Cow<'static, str> {
        format!("{}Edge", T::type_name()).into()
    }
}

impl<T: OutputType> TypeName for Connection<T> {
    fn type_name() -> Cow<'static, str> {
        format!("{}Connection", T::type_name()).into()
    }
}

/// Where a page stands in its list.
#[derive(Clone, SimpleObject)]
pub struct PageInfo {
    /// Whether there is more behind.
    pub has_next_page: bool,
    /// Whether this page began behind a cursor.
    pub has_previous_page: bool,
    /// Cursor of the first node.
    pub start_cursor: Option<String>,
    /// Cursor of the last node: `after` of the next page.
    pub end_cursor: Option<String>,
}

/// How many there are, counted up to a limit.
#[derive(Clone, SimpleObject)]
pub struct CountEstimate {
    /// The count, at most 10,000.
    pub value: i32,
    /// Whether there may be more.
    pub is_capped: bool,
    /// For a person: `10,000+` when capped.
    pub display: String,
}

/// A page of a list.
pub struct Connection<T: OutputType> {
    edges: Vec<Edge<T>>,
    info: PageInfo,
    total: Option<u64>,
}

/// A page of a list.
#[Object(name_type)]
impl<T: OutputType + Clone> Connection<T> {
    /// Nodes with their cursors.
    async fn edges(&self) -> &[Edge<T>] {
        &self.edges
    }

    /// The nodes alone.
    async fn nodes(&self) -> Vec<&T> {
        self.edges.iter().map(|edge| &edge.node).collect()
    }

    /// Where the page stands.
    async fn page_info(&self) -> PageInfo {
        self.info.clone()
    }

    /// How many there are in all; null when not counted.
    async fn total_count(&self) -> Option<CountEstimate> {
        self.total.map(count_estimate)
    }
}

fn count_estimate(total: u64) -> CountEstimate {
    let is_capped = total >= COUNTED;
    let value = total.min(COUNTED);
    let digits = if value >= 1000 {
        format!("{},{:03}", value / 1000, value % 1000)
    } else {
        value.to_string()
    };
    CountEstimate {
        value: int(value),
        is_capped,
        display: if is_capped {
            format!("{digits}+")
        } else {
            digits
        },
    }
}

/// A count as GraphQL's 32-bit `Int`.
pub(crate) fn int(value: impl TryInto<i32>) -> i32 {
    value.try_into().unwrap_or(i32::MAX)
}

/// A list as it was asked for: where it begins and what its cursors are bound to.
pub(crate) struct Asked {
    /// For the service.
    pub(crate) page: PageRequest,
    key: [u8; 8],
}

/// Reads `first` and `after` of a list. `scope` is everything else that decides which rows the list has.
pub(crate) fn asked(
    list: &str,
    scope: &impl Serialize,
    first: i32,
    after: Option<String>,
) -> Result<Asked> {
    let first = u32::try_from(first)
        .ok()
        .filter(|first| (1..=100).contains(first))
        .ok_or_else(|| ServiceError::invalid("first", "a page has 1 to 100 nodes"))?;
    let key = key(list, scope)?;
    let after = after.map(|cursor| open_cursor(key, &cursor)).transpose()?;
    Ok(Asked {
        page: PageRequest { first, after },
        key,
    })
}

fn key(list: &str, scope: &impl Serialize) -> Result<[u8; 8]> {
    let text = serde_json::to_vec(&(list, scope)).map_err(|error| {
        tracing::error!(%error, list, "the filter of a list has no JSON form");
        ServiceError::internal()
    })?;
    let mut key = [0; 8];
    key.copy_from_slice(&Sha256::of(&text).0[..8]);
    Ok(key)
}

fn open_cursor(key: [u8; 8], cursor: &str) -> Result<String> {
    let foreign = || {
        ServiceError::invalid(
            "after",
            "this cursor is not of this list with these filters; start again without it",
        )
    };
    if cursor.len() > 2048 {
        return Err(foreign());
    }
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| foreign())?;
    let inner = bytes.strip_prefix(&key).ok_or_else(foreign)?;
    String::from_utf8(inner.to_vec()).map_err(|_| foreign())
}

impl Asked {
    fn seal(&self, cursor: &str) -> String {
        URL_SAFE_NO_PAD.encode([&self.key, cursor.as_bytes()].concat())
    }

    /// The answer from a service's page.
    pub(crate) fn connection<S, T: OutputType>(
        &self,
        page: Page<S>,
        node: impl Fn(S) -> T,
    ) -> Connection<T> {
        let edges: Vec<Edge<T>> = page
            .rows
            .into_iter()
            .map(|row| Edge {
                cursor: self.seal(&row.cursor),
                node: node(row.node),
            })
            .collect();
        let info = PageInfo {
            has_next_page: page.has_next,
            has_previous_page: self.page.after.is_some(),
            start_cursor: edges.first().map(|edge| edge.cursor.clone()),
            end_cursor: edges.last().map(|edge| edge.cursor.clone()),
        };
        Connection {
            edges,
            info,
            total: page.total,
        }
    }

    /// The answer from a whole list, in the order of its keys.
    pub(crate) fn slice<T: OutputType>(
        &self,
        list: Vec<T>,
        key: impl Fn(&T) -> String,
    ) -> Connection<T> {
        let mut rows: Vec<(String, T)> = list.into_iter().map(|node| (key(&node), node)).collect();
        rows.sort_by(|(a, _), (b, _)| a.cmp(b));
        let total = u64::try_from(rows.len()).ok();
        if let Some(after) = &self.page.after {
            rows.retain(|(key, _)| key > after);
        }
        let limit = self.page.limit();
        let page = Page::from_rows(rows, limit, |(key, _)| key.clone());
        self.connection(Page { total, ..page }, |(_, node)| node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_of_another_filter_is_refused() {
        let list = asked("hosts", &("a", 1), 10, None).unwrap();
        let cursor = list.seal("key of a row");
        let same = asked("hosts", &("a", 1), 50, Some(cursor.clone())).unwrap();
        assert_eq!(same.page.after.as_deref(), Some("key of a row"));
        for foreign in [
            asked("hosts", &("b", 1), 10, Some(cursor.clone())),
            asked("findings", &("a", 1), 10, Some(cursor)),
        ] {
            let error = foreign.err().unwrap();
            assert_eq!(
                (error.code, error.path),
                (
                    netpatch_types::ErrorCode::BadUserInput,
                    vec!["after".to_owned()]
                )
            );
        }
        for broken in ["", "äöü", "AAAA", "%%%", &"A".repeat(4000)] {
            assert!(
                asked("hosts", &("a", 1), 10, Some(broken.to_owned())).is_err(),
                "{broken:?}"
            );
        }
        for first in [0, -1, 101, i32::MAX] {
            assert!(asked("hosts", &(), first, None).is_err(), "{first}");
        }
    }

    #[test]
    fn counts_say_when_they_are_capped() {
        let text = |total| count_estimate(total).display;
        assert_eq!(
            (text(7).as_str(), text(1234).as_str(), text(10_000).as_str()),
            ("7", "1,234", "10,000+")
        );
    }
}
