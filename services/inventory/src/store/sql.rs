//! A query whose conditions depend on the request. Values are always bound, never written into the text.

use netpatch_storage::{StorageResult, TenantTx};
use netpatch_types::{RequestContext, Selector, TenantId};
use sea_orm::Value;
use uuid::Uuid;

/// Text and values of a query that grows.
#[derive(Debug, Default)]
pub(crate) struct Query {
    /// The text so far.
    pub(crate) text: String,
    /// Values of `$1`, `$2`, …
    pub(crate) values: Vec<Value>,
}

impl Query {
    /// Starts with some text.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            values: Vec::new(),
        }
    }

    /// Binds a value; its placeholder.
    pub(crate) fn bind(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        format!("${}", self.values.len())
    }

    /// Appends text.
    pub(crate) fn push(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// Appends ` and <left> <value>`, closing with `right`.
    pub(crate) fn and(&mut self, left: &str, value: impl Into<Value>, right: &str) -> &mut Self {
        let placeholder = self.bind(value);
        self.text
            .push_str(&format!(" and {left} {placeholder}{right}"));
        self
    }

    /// Only sites that the request may see, of a table named `host`.
    pub(crate) fn in_scope(&mut self, ctx: &RequestContext, host: &str) -> &mut Self {
        if let Some(sites) = &ctx.sites {
            let sites: Vec<Uuid> = sites.iter().map(|site| site.0).collect();
            self.and(&format!("{host}.site_id = any("), sites, ")");
        }
        self
    }

    /// Only this organization, if one is named; row-level security decides whether it may be seen.
    pub(crate) fn of_tenant(&mut self, tenant: Option<TenantId>, table: &str) -> &mut Self {
        if let Some(tenant) = tenant {
            self.and(&format!("{table}.tenant_id ="), tenant.0, "");
        }
        self
    }

    /// Only hosts whose labels match.
    pub(crate) fn matching(&mut self, selector: &Selector, host: &str) -> &mut Self {
        for (key, values) in &selector.any_of {
            let key = self.bind(key.clone());
            let values = self.bind(values.iter().cloned().collect::<Vec<String>>());
            self.push(&format!(" and {host}.labels ->> {key} = any({values})"));
        }
        for (key, values) in &selector.none_of {
            let key = self.bind(key.clone());
            let values = self.bind(values.iter().cloned().collect::<Vec<String>>());
            self.push(&format!(
                " and not coalesce({host}.labels ->> {key} = any({values}), false)"
            ));
        }
        self
    }
}

/// Most rows that a list counts.
const COUNTED: u32 = 10_000;

/// How many rows ` from …` gives, counted up to 10,000.
pub(crate) async fn count(tx: &TenantTx, from: &Query) -> StorageResult<u64> {
    let sql = format!(
        "select count(*) from (select 1{} limit {COUNTED}) counted",
        from.text
    );
    let total: Option<i64> = tx.value(&sql, from.values.clone()).await?;
    Ok(total
        .and_then(|total| u64::try_from(total).ok())
        .unwrap_or_default())
}

/// Text for `ilike` that matches the part as it is.
#[must_use]
pub(crate) fn contains(part: &str) -> String {
    let escaped = part
        .replace('\\', "\\\\")
        .replace('%', "\\%")
        .replace('_', "\\_");
    format!("%{escaped}%")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_bound_in_order() {
        let mut query = Query::new("select 1 where true");
        query
            .and("a =", 1i32, "")
            .and("b = any(", vec!["x".to_owned()], ")");
        assert_eq!(
            query.text,
            "select 1 where true and a = $1 and b = any( $2)"
        );
        assert_eq!(query.values.len(), 2);
        assert_eq!(contains("50%_"), "%50\\%\\_%");
    }
}
