//! Assets from comma-separated values, record by record.
//!
//! The first line names the columns, in any order and case, by the names of [`FIELDS`] or by a mapping that the caller gives. The
//! delimiter is the one of comma, semicolon and tab that the header has most of. An empty cell says nothing: what is known stays.

use crate::domain::asset::MAX_TEXT_BYTES;
use chrono::NaiveDate;
use netpatch_inventory_api::{AssetRow, AssetWrite, Change, LineError, MAX_ASSETS};
use netpatch_types::{Criticality, SiteId};
use std::collections::{BTreeMap, BTreeSet};

/// Most columns of a file.
const MAX_COLUMNS: usize = 200;
/// Errors that are kept; the rest is counted.
const MAX_ERRORS: usize = 1000;
/// Separates the tags of a cell.
const TAG_SEPARATOR: char = '|';

/// What a column says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// The customer's own number.
    InventoryNumber,
    /// Name.
    Hostname,
    /// Machine id.
    MachineId,
    /// Serial number.
    Serial,
    /// Who built it.
    Vendor,
    /// What it is.
    Model,
    /// Who answers for it.
    Owner,
    /// Department.
    Department,
    /// Location.
    Location,
    /// Device tier.
    Tier,
    /// Criticality.
    Criticality,
    /// Tags.
    Tags,
    /// Last day of the warranty.
    WarrantyEnd,
    /// Last day of support or use.
    EndOfLife,
    /// Name or id of a site.
    Site,
}

/// Every field with its names: the first is ours, the others are those of common inventories; and its name in the API.
pub const FIELDS: [(Field, &[&str], &str); 15] = [
    (
        Field::InventoryNumber,
        &[
            "inventory_number",
            "asset tag",
            "inventory number",
            "asset number",
            "otherserial",
        ],
        "inventoryNumber",
    ),
    (
        Field::Hostname,
        &["hostname", "host", "name", "computer name", "device name"],
        "hostname",
    ),
    (Field::MachineId, &["machine_id", "machine id"], "machineId"),
    (
        Field::Serial,
        &["serial", "serial number", "serialnumber", "service tag"],
        "serial",
    ),
    (Field::Vendor, &["vendor", "manufacturer"], "vendor"),
    (Field::Model, &["model", "product", "model name"], "model"),
    (Field::Owner, &["owner", "user", "assigned to"], "owner"),
    (
        Field::Department,
        &["department", "entity", "cost center"],
        "department",
    ),
    (Field::Location, &["location", "room"], "location"),
    (Field::Tier, &["tier", "device tier", "device type"], "tier"),
    (
        Field::Criticality,
        &["criticality", "business impact"],
        "criticality",
    ),
    (Field::Tags, &["tags", "tag"], "tags"),
    (
        Field::WarrantyEnd,
        &[
            "warranty_end",
            "warranty end",
            "warranty expiration",
            "warranty expires",
        ],
        "warrantyEnd",
    ),
    (
        Field::EndOfLife,
        &["end_of_life", "end of life", "eol", "eol date"],
        "endOfLife",
    ),
    (Field::Site, &["site"], "siteId"),
];

/// A file that was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sheet {
    /// What its lines say.
    pub rows: Vec<AssetRow>,
    /// What is wrong with others, at most 1000.
    pub errors: Vec<LineError>,
    /// How much is wrong.
    pub error_count: u64,
    /// Columns that say nothing of an asset.
    pub ignored: Vec<String>,
    /// The header's word for each field of the API that it has.
    pub words: BTreeMap<&'static str, String>,
}

impl Sheet {
    fn wrong(&mut self, error: LineError) {
        self.error_count += 1;
        if self.errors.len() < MAX_ERRORS {
            self.errors.push(error);
        }
    }
}

fn error(
    line: u64,
    column: &str,
    message: impl Into<String>,
    remedy: impl Into<String>,
) -> LineError {
    LineError {
        line,
        column: column.chars().take(80).collect(),
        message: message.into(),
        remedy: remedy.into(),
    }
}

fn plain(word: &str) -> String {
    word.trim().to_lowercase()
}

/// The field that a word names, ours or another inventory's.
#[must_use]
pub fn field_of(word: &str) -> Option<Field> {
    let word = plain(word);
    FIELDS
        .iter()
        .find(|(_, names, api)| names.contains(&word.as_str()) || api.to_lowercase() == word)
        .map(|(field, ..)| *field)
}

fn delimiter(header: &str) -> u8 {
    let (mut counts, mut is_quoted) = ([0usize; 3], false);
    for byte in header.bytes() {
        match byte {
            b'"' => is_quoted = !is_quoted,
            b',' if !is_quoted => counts[0] += 1,
            b';' if !is_quoted => counts[1] += 1,
            b'\t' if !is_quoted => counts[2] += 1,
            b'\n' if !is_quoted => break,
            _ => {}
        }
    }
    let most = counts.iter().max().copied().unwrap_or_default();
    match counts.iter().position(|count| *count == most) {
        Some(1) => b';',
        Some(2) => b'\t',
        _ => b',',
    }
}

/// Which field each column says; `None` for those that say nothing.
fn columns(
    sheet: &mut Sheet,
    header: &csv::StringRecord,
    mapping: &BTreeMap<String, String>,
) -> Vec<Option<(Field, String)>> {
    let mapping: BTreeMap<String, &String> = mapping
        .iter()
        .map(|(header, field)| (plain(header), field))
        .collect();
    let mut unused: BTreeSet<&String> = mapping.keys().collect();
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    for word in header {
        let mapped = mapping.get_key_value(&plain(word));
        if let Some((key, _)) = mapped {
            unused.remove(key);
        }
        let field = match mapped {
            // A column that is mapped to nothing is passed over.
            Some((_, field)) if plain(field).is_empty() => None,
            Some((_, field)) => {
                let known = field_of(field);
                if known.is_none() {
                    sheet.wrong(error(
                        1,
                        word,
                        format!("is mapped to {field:?}, which is no field of an asset"),
                        format!("map it to one of: {}", names()),
                    ));
                }
                known
            }
            None => field_of(word),
        };
        match field {
            Some(field) if !seen.insert(field) => {
                sheet.wrong(error(
                    1,
                    word,
                    "says the same as another column",
                    "keep one of them, or map the other to nothing",
                ));
                found.push(None);
            }
            Some(field) => {
                if let Some((.., api)) = FIELDS.iter().find(|(one, ..)| *one == field) {
                    sheet.words.insert(api, word.trim().to_owned());
                }
                found.push(Some((field, word.trim().to_owned())));
            }
            None => {
                sheet.ignored.push(word.trim().chars().take(80).collect());
                found.push(None);
            }
        }
    }
    for word in unused {
        sheet.wrong(error(
            1,
            word,
            "is mapped, but the file has no such column",
            "mend the mapping, or the header",
        ));
    }
    let keys = [
        Field::InventoryNumber,
        Field::Hostname,
        Field::MachineId,
        Field::Serial,
    ];
    if !keys.iter().any(|key| seen.contains(key)) {
        sheet.wrong(error(
            1,
            "",
            "no column says which machine a line is about",
            "name or map a column inventory_number, hostname, machine_id or serial",
        ));
    }
    found
}

fn names() -> String {
    FIELDS.map(|(_, names, _)| names[0]).join(", ")
}

/// Reads a file. `sites` are the organization's, by name in lower case and by public id.
#[must_use]
pub fn read(
    text: &str,
    mapping: &BTreeMap<String, String>,
    sites: &BTreeMap<String, SiteId>,
) -> Sheet {
    let mut sheet = Sheet::default();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter(text))
        .from_reader(text.as_bytes());
    let mut record = csv::StringRecord::new();
    let mut header: Option<Vec<Option<(Field, String)>>> = None;
    let mut lines = Lines {
        text: text.as_bytes(),
        byte: 0,
        line: 1,
    };
    loop {
        match reader.read_record(&mut record) {
            Ok(true) => {}
            Ok(false) => break,
            Err(fault) => {
                let line = lines.at(fault.position().map_or(0, csv::Position::byte));
                sheet.wrong(error(line, "", fault.to_string(), "mend the file"));
                break;
            }
        }
        let line = lines.at(record.position().map_or(0, csv::Position::byte));
        let Some(columns_of) = &header else {
            if record.len() > MAX_COLUMNS {
                sheet.wrong(error(
                    line,
                    "",
                    format!("the header has {} columns", record.len()),
                    format!("give at most {MAX_COLUMNS}"),
                ));
                break;
            }
            header = Some(columns(&mut sheet, &record, mapping));
            if sheet.error_count > 0 {
                break;
            }
            continue;
        };
        if record.iter().all(|cell| cell.trim().is_empty()) {
            continue;
        }
        if record.len() != columns_of.len() {
            sheet.wrong(error(
                line,
                "",
                format!(
                    "has {} values, the header has {}",
                    record.len(),
                    columns_of.len()
                ),
                "put a value that holds the delimiter or a line's end in double quotes",
            ));
            continue;
        }
        if sheet.rows.len() >= MAX_ASSETS {
            sheet.wrong(error(
                line,
                "",
                format!("is behind the first {MAX_ASSETS} assets"),
                "import the file in several parts",
            ));
            break;
        }
        let mut write = AssetWrite::default();
        let mut is_fine = true;
        for (cell, column) in record.iter().zip(columns_of) {
            let Some((field, word)) = column else {
                continue;
            };
            let cell = cell.trim();
            if cell.is_empty() {
                continue;
            }
            if let Err((message, remedy)) = take(&mut write, *field, cell, sites) {
                is_fine = false;
                sheet.wrong(error(line, word, message, remedy));
            }
        }
        if is_fine {
            sheet.rows.push(AssetRow { line, write });
        }
    }
    if header.is_none() && sheet.error_count == 0 {
        sheet.wrong(error(
            1,
            "",
            "the file is empty",
            format!("begin with a line that names columns: {}", names()),
        ));
    }
    sheet
}

/// Counts lines. The reader's own count is one short where lines end with a carriage return and a line feed.
struct Lines<'a> {
    text: &'a [u8],
    byte: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line, from 1, of the record that begins at this byte or behind the line's end that stands there.
    fn at(&mut self, byte: u64) -> u64 {
        let mut to = usize::try_from(byte)
            .unwrap_or(usize::MAX)
            .min(self.text.len());
        while self
            .text
            .get(to)
            .is_some_and(|byte| matches!(byte, b'\r' | b'\n'))
        {
            to += 1;
        }
        let passed = self.text.get(self.byte..to).unwrap_or_default();
        let ends = passed.iter().filter(|byte| **byte == b'\n').count();
        self.line += u64::try_from(ends).unwrap_or_default();
        self.byte = self.byte.max(to);
        self.line
    }
}

type Wrong = (String, String);

fn take(
    write: &mut AssetWrite,
    field: Field,
    cell: &str,
    sites: &BTreeMap<String, SiteId>,
) -> Result<(), Wrong> {
    if cell.len() > MAX_TEXT_BYTES && field != Field::Tags {
        return Err((
            format!("is {} bytes long", cell.len()),
            format!("give at most {MAX_TEXT_BYTES} bytes"),
        ));
    }
    let text = || Change::Set(cell.to_owned());
    match field {
        Field::InventoryNumber => write.inventory_number = text(),
        Field::Hostname => write.hostname = text(),
        Field::MachineId => write.machine_id = text(),
        Field::Serial => write.serial = text(),
        Field::Vendor => write.vendor = text(),
        Field::Model => write.model = text(),
        Field::Owner => write.owner = text(),
        Field::Department => write.department = text(),
        Field::Location => write.location = text(),
        Field::Tier => write.tier = text(),
        Field::Tags => {
            write.tags = Change::Set(
                cell.split(TAG_SEPARATOR)
                    .map(str::trim)
                    .filter(|tag| !tag.is_empty())
                    .map(str::to_owned)
                    .collect(),
            );
        }
        Field::Criticality => {
            let word = Criticality::from_word(cell).ok_or_else(|| {
                (
                    format!("{cell:?} is no criticality"),
                    "write critical, high, medium or low".to_owned(),
                )
            })?;
            write.criticality = Change::Set(word);
        }
        Field::WarrantyEnd => write.warranty_end = Change::Set(day(cell)?),
        Field::EndOfLife => write.end_of_life = Change::Set(day(cell)?),
        Field::Site => {
            let site = sites
                .get(&cell.to_lowercase())
                .or_else(|| sites.get(cell))
                .ok_or_else(|| {
                    (
                        format!("no site is called {cell:?}"),
                        "write the name or the id of one of your sites".to_owned(),
                    )
                })?;
            write.site = Change::Set(*site);
        }
    }
    Ok(())
}

/// A day in the one form that no two countries read differently.
fn day(cell: &str) -> Result<NaiveDate, Wrong> {
    cell.parse::<NaiveDate>()
        .ok()
        .filter(|day| day.to_string() == cell)
        .ok_or_else(|| {
            (
                format!("{cell:?} is no day"),
                "write the day as 2027-01-31".to_owned(),
            )
        })
}

#[cfg(test)]
mod tests;
