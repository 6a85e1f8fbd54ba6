//! The JSON of a document, read entry by entry.

use super::{MAX_DEPTH, Part, Reading};
use serde::Deserialize;
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use std::fmt;

/// A field that may be absent, null or a text, and stands there once.
fn text<'de, A: MapAccess<'de>>(
    map: &mut A,
    field: &'static str,
    held: &mut Option<String>,
) -> Result<(), A::Error> {
    if held.is_some() {
        return Err(A::Error::duplicate_field(field));
    }
    *held = Some(map.next_value::<Option<String>>()?.unwrap_or_default());
    Ok(())
}

pub(super) struct Top<'a>(pub(super) &'a mut Reading);

impl<'de> DeserializeSeed<'de> for Top<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Top<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with bomFormat, specVersion and components")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let (mut has_metadata, mut has_components) = (false, false);
        while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            match key.as_ref() {
                "bomFormat" => text(&mut map, "bomFormat", &mut self.0.format)?,
                "specVersion" => text(&mut map, "specVersion", &mut self.0.version)?,
                "metadata" if std::mem::replace(&mut has_metadata, true) => {
                    return Err(A::Error::duplicate_field("metadata"));
                }
                "metadata" => map.next_value_seed(Maybe(Metadata(self.0)))?,
                "components" if std::mem::replace(&mut has_components, true) => {
                    return Err(A::Error::duplicate_field("components"));
                }
                "components" => map.next_value_seed(Maybe(Parts(self.0, 1)))?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// What may be null.
struct Maybe<S>(S);

impl<'de, S: DeserializeSeed<'de, Value = ()>> DeserializeSeed<'de> for Maybe<S> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_option(self)
    }
}

impl<'de, S: DeserializeSeed<'de, Value = ()>> Visitor<'de> for Maybe<S> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value or null")
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        self.0.deserialize(json)
    }
}

struct Metadata<'a>(&'a mut Reading);

impl<'de> DeserializeSeed<'de> for Metadata<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Metadata<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object that describes the document")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut has_component = false;
        while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            if key != "component" {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            if std::mem::replace(&mut has_component, true) {
                return Err(A::Error::duplicate_field("component"));
            }
            let seed = OnePart {
                reading: &mut *self.0,
                depth: 0,
            };
            map.next_value_seed(Maybe(seed))?;
        }
        Ok(())
    }
}

/// Components at a depth.
struct Parts<'a>(&'a mut Reading, usize);

impl<'de> DeserializeSeed<'de> for Parts<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Parts<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of components")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> Result<(), A::Error> {
        if self.1 > MAX_DEPTH {
            return Err(A::Error::custom(format!(
                "components are nested deeper than {MAX_DEPTH} levels"
            )));
        }
        while all
            .next_element_seed(OnePart {
                reading: &mut *self.0,
                depth: self.1,
            })?
            .is_some()
        {}
        Ok(())
    }
}

/// One component; at depth 0 the one that the whole document is about.
struct OnePart<'a> {
    reading: &'a mut Reading,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for OnePart<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for OnePart<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a component")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let [
            mut kind,
            mut name,
            mut group,
            mut version,
            mut description,
            mut purl,
            mut scope,
        ] = [const { None }; 7];
        let (mut properties, mut manufacturer, mut has_components) = (None, None, false);
        while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            match key.as_ref() {
                "type" => text(&mut map, "type", &mut kind)?,
                "name" => text(&mut map, "name", &mut name)?,
                "group" => text(&mut map, "group", &mut group)?,
                "version" => text(&mut map, "version", &mut version)?,
                "description" => text(&mut map, "description", &mut description)?,
                "purl" => text(&mut map, "purl", &mut purl)?,
                "scope" => text(&mut map, "scope", &mut scope)?,
                "manufacturer" => manufacturer = map.next_value::<Option<Organization>>()?,
                "properties" if properties.is_some() => {
                    return Err(A::Error::duplicate_field("properties"));
                }
                "properties" => {
                    properties = Some(map.next_value::<Option<Properties>>()?.unwrap_or_default());
                }
                "components" if std::mem::replace(&mut has_components, true) => {
                    return Err(A::Error::duplicate_field("components"));
                }
                "components" => {
                    map.next_value_seed(Maybe(Parts(&mut *self.reading, self.depth + 1)))?;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        let name = name.unwrap_or_default();
        let part = Part {
            kind: kind.unwrap_or_default(),
            // Generators write `@scope` and the Maven group apart.
            name: match group.filter(|group| !group.is_empty()) {
                Some(group)
                    if purl
                        .as_deref()
                        .is_some_and(|purl| purl.starts_with("pkg:maven/")) =>
                {
                    format!("{group}:{name}")
                }
                Some(group) => format!("{group}/{name}"),
                None => name,
            },
            version: version.unwrap_or_default(),
            description: description.unwrap_or_default(),
            manufacturer: manufacturer.and_then(|who| who.name).unwrap_or_default(),
            purl: purl.unwrap_or_default(),
            scope: scope.unwrap_or_default(),
            properties: properties.unwrap_or_default(),
        };
        self.reading.take(part, self.depth == 0)
    }
}

#[derive(Deserialize)]
struct Organization {
    #[serde(default)]
    name: Option<String>,
}

/// What properties say that is understood; the first of a name counts.
#[derive(Debug, Default)]
pub(super) struct Properties {
    pub(super) ecosystem: String,
    pub(super) source: String,
    pub(super) source_version: String,
    pub(super) image: String,
    pub(super) arch: String,
    pub(super) model: String,
    pub(super) serial: String,
}

#[derive(Deserialize)]
struct Property {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    value: Option<String>,
}

impl<'de> Deserialize<'de> for Properties {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_seq(ReadProperties)
    }
}

struct ReadProperties;

impl<'de> Visitor<'de> for ReadProperties {
    type Value = Properties;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of properties")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> Result<Properties, A::Error> {
        let mut said = Properties::default();
        let [mut epoch, mut version, mut revision] = [const { String::new() }; 3];
        while let Some(Property { name, value }) = all.next_element()? {
            let held = match name.as_deref().unwrap_or_default() {
                "netpatch:ecosystem" => &mut said.ecosystem,
                "netpatch:source" | "syft:metadata:source" | "aquasecurity:trivy:SrcName" => {
                    &mut said.source
                }
                "netpatch:source-version" | "syft:metadata:sourceVersion" => {
                    &mut said.source_version
                }
                "netpatch:image" => &mut said.image,
                "netpatch:arch" => &mut said.arch,
                "netpatch:model" => &mut said.model,
                "netpatch:serial" => &mut said.serial,
                "aquasecurity:trivy:SrcEpoch" => &mut epoch,
                "aquasecurity:trivy:SrcVersion" => &mut version,
                "aquasecurity:trivy:SrcRelease" => &mut revision,
                _ => continue,
            };
            if held.is_empty() {
                *held = value.unwrap_or_default();
            }
        }
        if said.source_version.is_empty() && !version.is_empty() {
            if !epoch.is_empty() && epoch != "0" {
                said.source_version = format!("{epoch}:");
            }
            said.source_version.push_str(&version);
            if !revision.is_empty() {
                said.source_version.push('-');
                said.source_version.push_str(&revision);
            }
        }
        Ok(said)
    }
}
