//! The check of a value against a schema.
//!
//! The value is of the data model already, so its depth is bounded and with it
//! the recursion here: a reference leads to a definition, never to another
//! reference.
//!
//! Spec: <https://atproto.com/specs/lexicon#lexicon-evolution>

use unicode_segmentation::UnicodeSegmentation;

use super::invalid::Place;
use super::{
    ArraySchema, BlobSchema, BooleanSchema, BytesSchema, Catalog, Definition, IntegerSchema,
    Invalid, ObjectSchema, Reference, Schema, StringSchema, UnionSchema,
};
use crate::atproto::data::{Map, Value};

type Verdict = Result<(), Invalid>;

/// Checks values, with the catalog that references lead into.
pub(super) struct Validator<'a> {
    pub(super) catalog: &'a Catalog,
}

impl Validator<'_> {
    pub(super) fn check(&self, schema: &Schema, value: &Value, place: Place) -> Verdict {
        match schema {
            Schema::Null => match value {
                Value::Null => Ok(()),
                _ => place.refuse("must be null"),
            },
            Schema::Boolean(schema) => boolean(schema, value, place),
            Schema::Integer(schema) => integer(schema, value, place),
            Schema::String(schema) => string(schema, value, place),
            Schema::Bytes(schema) => bytes(schema, value, place),
            Schema::CidLink => match value {
                Value::Link(_) => Ok(()),
                _ => place.refuse("must be a link"),
            },
            Schema::Blob(schema) => blob(schema, value, place),
            Schema::Array(schema) => self.array(schema, value, place),
            Schema::Object(schema) => self.object(schema, value, place),
            Schema::Ref(schema) => self.reference(&schema.r#ref, value, place),
            Schema::Union(schema) => self.union(schema, value, place),
            Schema::Unknown => unknown(value, place),
            Schema::Token => place.refuse("must not be there: a token has no value"),
        }
    }

    // spec: lexicon#object
    pub(super) fn object(&self, schema: &ObjectSchema, value: &Value, place: Place) -> Verdict {
        let Value::Map(map) = value else {
            return place.refuse("must be an object");
        };
        if let Some(absent) = schema.required.iter().find(|name| map.get(name).is_none()) {
            return place.property(absent).refuse("is required");
        }
        for (name, schema_of) in &schema.properties {
            match map.get(name) {
                None => {}
                Some(Value::Null) if schema.nullable.contains(name) => {}
                Some(value) => self.check(schema_of, value, place.property(name))?,
            }
        }
        Ok(())
    }

    // spec: lexicon#array
    fn array(&self, schema: &ArraySchema, value: &Value, place: Place) -> Verdict {
        let Value::List(items) = value else {
            return place.refuse("must be a list");
        };
        let range = (schema.min_length, schema.max_length);
        length_within(items.len(), range, "elements", place)?;
        for (index, item) in items.iter().enumerate() {
            self.check(&schema.items, item, place.item(index))?;
        }
        Ok(())
    }

    // spec: lexicon#ref
    pub(super) fn reference(&self, target: &Reference, value: &Value, place: Place) -> Verdict {
        match self.catalog.resolve(target) {
            Some(Definition::Schema(Schema::Token)) => match value {
                Value::Text(text) if text == target.as_str() => Ok(()),
                _ => place.refuse(format_args!("must be the text {target}")),
            },
            Some(Definition::Schema(schema)) => self.check(schema, value, place),
            Some(Definition::Record(record)) => self.object(&record.record, value, place),
            _ => place.refuse(format_args!("must be {target}, which is not a known schema")),
        }
    }

    // spec: lexicon#union
    fn union(&self, schema: &UnionSchema, value: &Value, place: Place) -> Verdict {
        let Value::Map(map) = value else {
            return place.refuse("must be an object with a $type");
        };
        let Some(Value::Text(name)) = map.get("$type") else {
            return place.property("$type").refuse("is required");
        };
        match schema.refs.iter().find(|target| target.as_str() == name) {
            Some(target) => self.reference(target, value, place),
            None if name.ends_with("#main") => {
                place.property("$type").refuse("must be written without #main")
            }
            None if schema.closed => {
                let names: Vec<&str> = schema.refs.iter().map(Reference::as_str).collect();
                place.property("$type").refuse(format_args!("must be one of {}", names.join(", ")))
            }
            None => Ok(()),
        }
    }
}

// spec: lexicon#boolean
fn boolean(schema: &BooleanSchema, value: &Value, place: Place) -> Verdict {
    let Value::Bool(value) = value else {
        return place.refuse("must be true or false");
    };
    match schema.r#const {
        Some(only) if only != *value => place.refuse(format_args!("must be {only}")),
        _ => Ok(()),
    }
}

// spec: lexicon#integer
fn integer(schema: &IntegerSchema, value: &Value, place: Place) -> Verdict {
    let &Value::Int(number) = value else {
        return place.refuse("must be a whole number");
    };
    if let Some(only) = schema.r#const.filter(|&only| only != number) {
        return place.refuse(format_args!("must be {only}"));
    }
    if let Some(allowed) = schema.r#enum.as_ref().filter(|list| !list.contains(&number)) {
        return place.refuse(format_args!("must be one of {}", listed(allowed)));
    }
    if let Some(least) = schema.minimum.filter(|&least| number < least) {
        return place.refuse(format_args!("must be at least {least}"));
    }
    match schema.maximum {
        Some(most) if number > most => place.refuse(format_args!("must be at most {most}")),
        _ => Ok(()),
    }
}

// spec: lexicon#string
fn string(schema: &StringSchema, value: &Value, place: Place) -> Verdict {
    let Value::Text(text) = value else {
        return place.refuse("must be text");
    };
    if let Some(only) = schema.r#const.as_ref().filter(|only| ***only != **text) {
        return place.refuse(format_args!("must be {only}"));
    }
    if let Some(allowed) = &schema.r#enum
        && !allowed.iter().any(|one| **one == **text)
    {
        return place.refuse(format_args!("must be one of {}", listed(allowed)));
    }
    let range = (schema.min_length, schema.max_length);
    length_within(text.len(), range, "UTF-8 bytes", place)?;
    if schema.min_graphemes.is_some() || schema.max_graphemes.is_some_and(|most| text.len() > most)
    {
        let range = (schema.min_graphemes, schema.max_graphemes);
        length_within(text.graphemes(true).count(), range, "graphemes", place)?;
    }
    match schema.format {
        Some(format) if !format.accepts(text) => {
            place.refuse(format_args!("must be {}", format.noun()))
        }
        _ => Ok(()),
    }
}

// spec: lexicon#bytes
fn bytes(schema: &BytesSchema, value: &Value, place: Place) -> Verdict {
    let Value::Bytes(bytes) = value else {
        return place.refuse("must be bytes");
    };
    let range = (schema.min_length, schema.max_length);
    length_within(bytes.len(), range, "bytes", place)
}

// spec: lexicon#blob
fn blob(schema: &BlobSchema, value: &Value, place: Place) -> Verdict {
    let Some((mime_type, size)) = value.as_map().and_then(blob_facts) else {
        return place.refuse("must be a blob");
    };
    if let Some(accept) = &schema.accept
        && !accept.iter().any(|pattern| media_type_matches(pattern, mime_type))
    {
        let rule = format_args!("must be of type {}", listed(accept));
        return place.property("mimeType").refuse(rule);
    }
    match schema.max_size {
        Some(most) if u64::try_from(size).is_ok_and(|size| size > most) => {
            place.property("size").refuse(format_args!("must be at most {most} bytes"))
        }
        _ => Ok(()),
    }
}

/// Returns the media type and size of what has the shape of a blob. Which codec
/// and hash its link has is the data model's question.
fn blob_facts(map: &Map) -> Option<(&str, i64)> {
    let is_blob = map.get("$type")?.as_text()? == "blob" && map.get("ref")?.as_link().is_some();
    is_blob.then_some((map.get("mimeType")?.as_text()?, map.get("size")?.as_int()?))
}

/// Says whether a media type is one of those that `pattern` stands for:
/// `*/*`, `image/*` or a name in full. Parameters do not count.
fn media_type_matches(pattern: &str, mime_type: &str) -> bool {
    let essence = mime_type.split(';').next().unwrap_or_default().trim();
    let parts = (pattern.split_once('/'), essence.split_once('/'));
    let (Some((kind, subtype)), Some((its_kind, its_subtype))) = parts else {
        return pattern == "*/*";
    };
    let fits = |want: &str, is: &str| want == "*" || want.eq_ignore_ascii_case(is);
    fits(kind, its_kind) && fits(subtype, its_subtype)
}

// spec: lexicon#unknown
fn unknown(value: &Value, place: Place) -> Verdict {
    match value {
        Value::Map(map) if map.get("$type").and_then(Value::as_text) != Some("blob") => Ok(()),
        _ => place.refuse("must be an object"),
    }
}

fn length_within(
    length: usize,
    (least, most): (Option<usize>, Option<usize>),
    unit: &str,
    place: Place,
) -> Verdict {
    match (least, most) {
        (Some(least), _) if length < least => {
            place.refuse(format_args!("must have at least {least} {unit}"))
        }
        (_, Some(most)) if length > most => {
            place.refuse(format_args!("must have at most {most} {unit}"))
        }
        _ => Ok(()),
    }
}

fn listed<T: std::fmt::Display>(values: &[T]) -> String {
    let texts: Vec<String> = values.iter().map(T::to_string).collect();
    texts.join(", ")
}
