//! The catalog: every schema that is known, and the questions put to it.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::bundle::Bundle;
use super::invalid::Place;
use super::validate::Validator;
use super::{
    Body, Definition, Document, Invalid, Method, RecordSchema, Reference, Schema, Subscription,
};
use crate::atproto::data::{Map, Value};
use crate::atproto::syntax::{Nsid, RecordKey};

/// Schemas by NSID.
pub struct Catalog {
    /// Documents that were handed in; one of these hides a bundled one.
    documents: HashMap<Box<str>, Document>,
    bundle: Option<Bundle>,
}

/// What the check of a record found, when it found nothing wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validation {
    /// The record follows its schema.
    Valid,
    /// There is no schema of this name here.
    Unknown,
}

impl Catalog {
    /// Returns the catalog of the schemas that are part of the binary.
    pub fn bundled() -> &'static Self {
        static BUNDLED: LazyLock<Catalog> =
            LazyLock::new(|| Catalog { documents: HashMap::new(), bundle: Some(Bundle::new()) });
        &BUNDLED
    }

    /// Makes a catalog of these documents and no others.
    pub fn from_documents(documents: impl IntoIterator<Item = Document>) -> Self {
        let by_nsid = documents.into_iter().map(|doc| (doc.id().as_str().into(), doc));
        Self { documents: by_nsid.collect(), bundle: None }
    }

    /// Returns the document of this NSID.
    pub fn document(&self, nsid: &Nsid) -> Option<&Document> {
        self.find(nsid.as_str())
    }

    /// Returns the NSID of every document, in no order.
    pub fn nsids(&self) -> impl Iterator<Item = &str> {
        let own = self.documents.keys().map(|nsid| &**nsid);
        let bundled = self.bundle.iter().flat_map(Bundle::nsids);
        own.chain(bundled.map(|nsid| nsid as &str))
    }

    /// Returns the query or procedure of this name.
    pub fn method(&self, nsid: &Nsid) -> Option<&Method> {
        match self.document(nsid)?.main()? {
            Definition::Method(method) => Some(method),
            _ => None,
        }
    }

    /// Returns the event stream of this name.
    pub fn subscription(&self, nsid: &Nsid) -> Option<&Subscription> {
        match self.document(nsid)?.main()? {
            Definition::Subscription(subscription) => Some(subscription),
            _ => None,
        }
    }

    /// Returns what records of this collection must be.
    pub fn record(&self, collection: &Nsid) -> Option<&RecordSchema> {
        match self.document(collection)?.main()? {
            Definition::Record(record) => Some(record),
            _ => None,
        }
    }

    /// Checks a record against the schema of its collection: its key, its
    /// `$type`, its content.
    ///
    /// # Errors
    /// [`Invalid`] with the first rule that it breaks.
    // spec: record-key#record-key-type-tid
    pub fn validate_record(
        &self,
        collection: &Nsid,
        rkey: &RecordKey,
        record: &Value,
    ) -> Result<Validation, Invalid> {
        let Some(schema) = self.record(collection) else {
            return Ok(Validation::Unknown);
        };
        let place = Place::Root("record");
        if record.type_name() != Some(collection.as_str()) {
            return place.property("$type").refuse(format_args!("must be {}", collection.as_str()));
        }
        if !schema.key.accepts(rkey) {
            return Place::Root("rkey").refuse(format_args!("must be {}", schema.key));
        }
        self.validator().object(&schema.record, record, place)?;
        Ok(Validation::Valid)
    }

    /// Reads the decoded pairs of a query string as the parameters of a query,
    /// procedure or subscription, with defaults filled in. Parameters that the
    /// schema does not name are left out; one without a value counts as absent.
    ///
    /// # Errors
    /// [`Invalid`] with the first rule that they break.
    // spec: xrpc#lexicon-http-endpoints
    pub fn read_params<'a>(
        &self,
        nsid: &Nsid,
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Value, Invalid> {
        let schema = match self.document(nsid).and_then(Document::main) {
            Some(Definition::Method(method)) => &method.params,
            Some(Definition::Subscription(subscription)) => &subscription.params,
            _ => return Ok(Value::Map(Map::new())),
        };
        let params = Value::Map(schema.read(pairs)?);
        self.validator().object(&schema.0, &params, Place::Root("params"))?;
        Ok(params)
    }

    /// Checks the JSON body of a request. A method that takes no JSON, and one
    /// that is not known, asks for nothing.
    ///
    /// # Errors
    /// [`Invalid`] with the first rule that it breaks.
    pub fn validate_input(&self, nsid: &Nsid, body: &Value) -> Result<(), Invalid> {
        let input = self.method(nsid).and_then(|method| method.input.as_ref());
        self.validate_body(input, body, Place::Root("input"))
    }

    /// Checks the JSON body of an answer, as [`Catalog::validate_input`] does
    /// that of a request.
    ///
    /// # Errors
    /// [`Invalid`] with the first rule that it breaks.
    pub fn validate_output(&self, nsid: &Nsid, body: &Value) -> Result<(), Invalid> {
        let output = self.method(nsid).and_then(|method| method.output.as_ref());
        self.validate_body(output, body, Place::Root("output"))
    }

    /// Checks the payload of an event stream's message. `kind` is the `t` of
    /// its header, for instance `#commit`.
    ///
    /// # Errors
    /// [`Invalid`] with the first rule that it breaks; the first of all is that
    /// the stream sends such messages.
    // spec: lexicon#subscription-event-stream
    pub fn validate_message(
        &self,
        nsid: &Nsid,
        kind: &str,
        payload: &Value,
    ) -> Result<(), Invalid> {
        let place = Place::Root("message");
        let declared = self.subscription(nsid).and_then(|stream| match &stream.message {
            Some(Schema::Union(union)) => union
                .refs
                .iter()
                .find(|target| target.as_str().strip_prefix(nsid.as_str()) == Some(kind)),
            _ => None,
        });
        match declared {
            Some(target) => self.validator().reference(target, payload, place),
            None => place.refuse(format_args!("must not be of type {kind}")),
        }
    }

    /// Returns what a reference names.
    pub(super) fn resolve(&self, target: &Reference) -> Option<&Definition> {
        self.find(target.nsid())?.definition(target.definition())
    }

    fn find(&self, nsid: &str) -> Option<&Document> {
        let own = self.documents.get(nsid);
        own.or_else(|| self.bundle.as_ref()?.document(nsid))
    }

    fn validate_body(
        &self,
        body: Option<&Body>,
        value: &Value,
        place: Place,
    ) -> Result<(), Invalid> {
        match body.and_then(|body| body.schema.as_ref()) {
            Some(schema) => self.validator().check(schema, value, place),
            None => Ok(()),
        }
    }

    fn validator(&self) -> Validator<'_> {
        Validator { catalog: self }
    }
}
