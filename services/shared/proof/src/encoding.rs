//! Canonical JSON and the byte encodings that go with it.
//!
//! Canonical: keys sorted by bytes, no spaces, no floating point, strings escaped as RFC 8785 does. What is not
//! exactly the canonical form of itself is refused, so every byte of a signed text means something.

use serde::Serialize;
use serde_json::Value;

/// A value that has no canonical form.
#[derive(Debug, thiserror::Error)]
pub enum CanonicalError {
    /// Floating point has many spellings.
    #[error("a floating point number has no canonical form")]
    Float,
    /// Not expressible in JSON.
    #[error("not expressible in json: {0}")]
    Json(#[from] serde_json::Error),
}

/// The canonical JSON of a value.
pub fn to_canonical_json<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, CanonicalError> {
    let mut out = Vec::new();
    write_value(&serde_json::to_value(value)?, &mut out)?;
    Ok(out)
}

fn write_value(value: &Value, out: &mut Vec<u8>) -> Result<(), CanonicalError> {
    match value {
        Value::Number(number) if number.is_f64() => return Err(CanonicalError::Float),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            serde_json::to_writer(out, value)?
        }
        Value::Array(items) => {
            out.push(b'[');
            for (position, item) in items.iter().enumerate() {
                if position > 0 {
                    out.push(b',');
                }
                write_value(item, out)?;
            }
            out.push(b']');
        }
        Value::Object(members) => {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_by_key(|(key, _)| key.as_bytes());
            out.push(b'{');
            for (position, (key, member)) in sorted.into_iter().enumerate() {
                if position > 0 {
                    out.push(b',');
                }
                serde_json::to_writer(&mut *out, key)?;
                out.push(b':');
                write_value(member, out)?;
            }
            out.push(b'}');
        }
    }
    Ok(())
}

/// Bytes as standard base64 with padding (RFC 4648 §4); any other spelling of the same bytes is refused.
pub(crate) mod base64_bytes {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        STANDARD
            .decode(String::deserialize(deserializer)?)
            .map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_are_sorted_and_spaces_dropped() {
        let value = json!({"b": [1, true, null], "a": {"z": "\u{1f}\"\\é", "A": -1}});
        let text = String::from_utf8(to_canonical_json(&value).expect("canonical")).expect("utf-8");
        assert_eq!(
            text,
            "{\"a\":{\"A\":-1,\"z\":\"\\u001f\\\"\\\\é\"},\"b\":[1,true,null]}"
        );
    }

    #[test]
    fn floating_point_is_refused() {
        assert!(matches!(
            to_canonical_json(&json!([0.5])),
            Err(CanonicalError::Float)
        ));
    }
}
