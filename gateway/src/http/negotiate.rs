//! Media types of GraphQL over HTTP.

use axum::http::{HeaderMap, header};

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Media {
    /// `application/json`: request errors keep status 200.
    Json,
    /// `application/graphql-response+json`: the status says how it went.
    GraphqlResponse,
}

impl Media {
    /// The header's value.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json; charset=utf-8",
            Self::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
        }
    }
}

/// The best of what is accepted; `None` when nothing is (406). Nothing said and wildcards mean `application/json`.
pub(crate) fn accepted(headers: &HeaderMap) -> Option<Media> {
    let mut seen = false;
    let (mut graphql, mut json, mut wild) = (None, None, None);
    for value in headers.get_all(header::ACCEPT) {
        for range in value.to_str().unwrap_or_default().split(',') {
            let mut parts = range.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default().to_ascii_lowercase();
            if name.is_empty() {
                continue;
            }
            seen = true;
            let quality = parts
                .find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")))
                .map_or(1.0, |q| q.parse().unwrap_or(0.0));
            let slot = match name.as_str() {
                "application/graphql-response+json" => &mut graphql,
                "application/json" => &mut json,
                "*/*" | "application/*" => &mut wild,
                _ => continue,
            };
            *slot = Some(f32::max(slot.unwrap_or(0.0), quality));
        }
    }
    if !seen {
        return Some(Media::Json);
    }
    // A type that is named beats a wildcard; of two named ones the first choice of the server wins a tie.
    let json_quality: f32 = json.or(wild).unwrap_or(0.0);
    let graphql_quality: f32 = graphql.unwrap_or(0.0);
    if graphql_quality > 0.0 && graphql_quality >= json_quality {
        Some(Media::GraphqlResponse)
    } else if json_quality > 0.0 {
        Some(Media::Json)
    } else {
        None
    }
}

/// Whether the body is JSON in UTF-8. A wrong type is refused, which also stops forms of other sites.
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
    else {
        return false;
    };
    let mut parts = value.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let utf8 = |part: &str| match part.split_once('=') {
        Some((key, charset)) if key.trim().eq_ignore_ascii_case("charset") => charset
            .trim()
            .trim_matches('"')
            .eq_ignore_ascii_case("utf-8"),
        _ => true,
    };
    name.eq_ignore_ascii_case("application/json") && parts.all(utf8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accept(value: &str) -> Option<Media> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, value.parse().unwrap());
        accepted(&headers)
    }

    #[test]
    fn accept_is_negotiated() {
        assert_eq!(accepted(&HeaderMap::new()), Some(Media::Json));
        assert_eq!(accept("*/*"), Some(Media::Json));
        assert_eq!(accept("application/*"), Some(Media::Json));
        assert_eq!(accept("application/json"), Some(Media::Json));
        assert_eq!(accept("application/json; charset=utf-8"), Some(Media::Json));
        assert_eq!(
            accept("application/graphql-response+json"),
            Some(Media::GraphqlResponse)
        );
        assert_eq!(
            accept("application/json, application/graphql-response+json"),
            Some(Media::GraphqlResponse)
        );
        assert_eq!(
            accept("application/graphql-response+json;q=0.5, application/json"),
            Some(Media::Json)
        );
        assert_eq!(
            accept("application/graphql-response+json; charset=utf-8, application/json;q=0.9"),
            Some(Media::GraphqlResponse)
        );
        assert_eq!(accept("text/html"), None);
        assert_eq!(accept("application/json;q=0"), None);
        assert_eq!(accept("text/html, */*;q=0.1"), Some(Media::Json));
    }

    #[test]
    fn only_json_in_utf8_is_read() {
        let json = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, value.parse().unwrap());
            is_json(&headers)
        };
        assert!(
            json("application/json")
                && json("Application/JSON; charset=UTF-8")
                && json("application/json;charset=\"utf-8\"")
        );
        assert!(
            !json("text/plain")
                && !json("application/json; charset=iso-8859-1")
                && !json("application/x-www-form-urlencoded")
        );
        assert!(!is_json(&HeaderMap::new()));
    }
}
