//! The rules of the lexicon language that a document must follow.
//!
//! What serde has refused already is not looked at again: names of types, of
//! record keys, and which fields hold what.
//!
//! Spec: <https://atproto.com/specs/lexicon#lexicon-files>

use super::invalid::Place;
use super::reference::{MAIN, is_definition_name};
use super::{
    ArraySchema, BlobSchema, Body, Definition, Document, DocumentError, IntegerSchema, Invalid,
    Method, MethodKind, ObjectSchema, ParamsSchema, Schema, StringSchema, Subscription,
    UnionSchema,
};

type Verdict = Result<(), Invalid>;

/// Checks a document that has the right shape.
pub(super) fn check(document: &Document) -> Result<(), DocumentError> {
    if document.definitions().next().is_none() {
        return Err(DocumentError::Empty);
    }
    for (name, def) in document.definitions() {
        let place = Place::Root("defs");
        definition(name, def, place.property(name)).map_err(|invalid| DocumentError::Rule {
            place: invalid.path,
            rule: invalid.message,
        })?;
    }
    Ok(())
}

// spec: lexicon#primary-type-definitions
fn definition(name: &str, definition: &Definition, place: Place) -> Verdict {
    if !is_definition_name(name) {
        return place.refuse("must have a name of letters and digits");
    }
    let is_primary = !matches!(definition, Definition::Schema(_));
    if is_primary && name != MAIN {
        return place.refuse("must be called main, as every primary type");
    }
    match definition {
        Definition::Record(record) => object(&record.record, place.property("record")),
        Definition::Method(method) => check_method(method, place),
        Definition::Subscription(subscription) => check_subscription(subscription, place),
        Definition::PermissionSet(_) | Definition::Schema(Schema::Token) => Ok(()),
        Definition::Schema(Schema::Ref(_) | Schema::Union(_) | Schema::Unknown) => {
            place.refuse("must be a type of its own, not ref, union or unknown")
        }
        Definition::Schema(schema) => field(schema, place),
    }
}

fn check_method(method: &Method, place: Place) -> Verdict {
    if method.kind == MethodKind::Query && method.input.is_some() {
        return place.property("input").refuse("must not be there in a query");
    }
    params(&method.params, place.property("parameters"))?;
    error_names(&method.errors, place.property("errors"))?;
    for (name, body) in [("input", &method.input), ("output", &method.output)] {
        if let Some(body) = body {
            check_body(body, place.property(name))?;
        }
    }
    Ok(())
}

fn check_body(body: &Body, place: Place) -> Verdict {
    if body.encoding.is_empty() {
        return place.property("encoding").refuse("must be a media type");
    }
    match &body.schema {
        None => Ok(()),
        Some(schema @ (Schema::Object(_) | Schema::Ref(_) | Schema::Union(_))) => {
            field(schema, place.property("schema"))
        }
        Some(_) => place.property("schema").refuse("must be an object, ref or union"),
    }
}

fn check_subscription(subscription: &Subscription, place: Place) -> Verdict {
    params(&subscription.params, place.property("parameters"))?;
    error_names(&subscription.errors, place.property("errors"))?;
    match &subscription.message {
        None => Ok(()),
        Some(schema @ Schema::Union(_)) => field(schema, place.property("message")),
        Some(_) => place.property("message").refuse("must be a union"),
    }
}

fn error_names(names: &[Box<str>], place: Place) -> Verdict {
    let is_name = |name: &str| !name.is_empty() && !name.contains(char::is_whitespace);
    match names.iter().position(|name| !is_name(name)) {
        Some(index) => place.item(index).refuse("must have a name without spaces"),
        None => Ok(()),
    }
}

// spec: lexicon#params
fn params(schema: &ParamsSchema, place: Place) -> Verdict {
    for (name, schema) in &schema.0.properties {
        let item = match schema {
            Schema::Array(array) => &array.items,
            schema => schema,
        };
        let is_param = matches!(
            item,
            Schema::Boolean(_) | Schema::Integer(_) | Schema::String(_) | Schema::Unknown
        );
        if !is_param {
            let rule = "must be a boolean, integer or string, or a list of these";
            return place.property(name).refuse(rule);
        }
    }
    object(&schema.0, place)
}

fn object(schema: &ObjectSchema, place: Place) -> Verdict {
    for (list, names) in [("required", &schema.required), ("nullable", &schema.nullable)] {
        let undefined = names.iter().find(|name| !schema.properties.contains_key(*name));
        if let Some(name) = undefined {
            let rule = format_args!("must name properties, and {name} is none");
            return place.property(list).refuse(rule);
        }
    }
    for (name, schema) in &schema.properties {
        field(schema, place.property(name))?;
    }
    Ok(())
}

fn field(schema: &Schema, place: Place) -> Verdict {
    match schema {
        Schema::Boolean(boolean) => exclusive(&boolean.default, &boolean.r#const, place),
        Schema::Integer(schema) => integer(schema, place),
        Schema::String(schema) => string(schema, place),
        Schema::Bytes(schema) => ordered(schema.min_length, schema.max_length, place),
        Schema::Blob(schema) => blob(schema, place),
        Schema::Array(schema) => array(schema, place),
        Schema::Object(schema) => object(schema, place),
        Schema::Ref(target) if !target.r#ref.is_valid() => {
            place.property("ref").refuse("must be an NSID, #name or both")
        }
        Schema::Union(schema) => union(schema, place),
        Schema::Token => place.refuse("must not be a token: those are only referred to"),
        Schema::Null | Schema::CidLink | Schema::Unknown | Schema::Ref(_) => Ok(()),
    }
}

fn integer(schema: &IntegerSchema, place: Place) -> Verdict {
    exclusive(&schema.default, &schema.r#const, place)?;
    ordered(schema.minimum, schema.maximum, place)?;
    let given = schema.default.or(schema.r#const);
    match given {
        Some(number)
            if schema.minimum.is_some_and(|least| number < least)
                || schema.maximum.is_some_and(|most| number > most)
                || schema.r#enum.as_ref().is_some_and(|list| !list.contains(&number)) =>
        {
            place.refuse("must allow its own default or const")
        }
        _ => Ok(()),
    }
}

fn string(schema: &StringSchema, place: Place) -> Verdict {
    exclusive(&schema.default, &schema.r#const, place)?;
    ordered(schema.min_length, schema.max_length, place)?;
    ordered(schema.min_graphemes, schema.max_graphemes, place)?;
    let given = schema.default.as_ref().or(schema.r#const.as_ref());
    match (given, &schema.r#enum) {
        (Some(text), Some(list)) if !list.contains(text) => {
            place.refuse("must allow its own default or const")
        }
        _ => Ok(()),
    }
}

fn blob(schema: &BlobSchema, place: Place) -> Verdict {
    let is_pattern = |pattern: &str| {
        pattern
            .split_once('/')
            .is_some_and(|(kind, subtype)| !kind.is_empty() && !subtype.is_empty())
    };
    match schema.accept.iter().flatten().find(|pattern| !is_pattern(pattern)) {
        Some(_) => place.property("accept").refuse("must hold media types"),
        None => Ok(()),
    }
}

fn array(schema: &ArraySchema, place: Place) -> Verdict {
    ordered(schema.min_length, schema.max_length, place)?;
    field(&schema.items, place.property("items"))
}

fn union(schema: &UnionSchema, place: Place) -> Verdict {
    if schema.closed && schema.refs.is_empty() {
        return place.property("refs").refuse("must not be empty in a closed union");
    }
    match schema.refs.iter().position(|target| !target.is_valid()) {
        Some(index) => {
            let place = place.property("refs");
            place.item(index).refuse("must be an NSID, #name or both")
        }
        None => Ok(()),
    }
}

fn ordered<T: PartialOrd>(least: Option<T>, most: Option<T>, place: Place) -> Verdict {
    match (least, most) {
        (Some(least), Some(most)) if least > most => {
            place.refuse("must not have its minimum above its maximum")
        }
        _ => Ok(()),
    }
}

fn exclusive<T>(default: &Option<T>, only: &Option<T>, place: Place) -> Verdict {
    match (default, only) {
        (Some(_), Some(_)) => place.refuse("must not have both default and const"),
        _ => Ok(()),
    }
}
