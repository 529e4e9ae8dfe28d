//! What the pages say, in the reader's language.
//!
//! English is complete and stands in where another language lacks a message; a
//! test holds the others to its names. Messages are Fluent, one file a language.
//! What is put into a message is text and is escaped by the page.
//!
//! Spec: <https://projectfluent.org>

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::LazyLock;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use unic_langid::LanguageIdentifier;

/// The languages, English first.
pub const LANGUAGES: [&str; 6] = ["en", "de", "fr", "es", "pt", "ja"];

const FILES: [&str; 6] = [
    include_str!("en.ftl"),
    include_str!("de.ftl"),
    include_str!("fr.ftl"),
    include_str!("es.ftl"),
    include_str!("pt.ftl"),
    include_str!("ja.ftl"),
];

/// Wishes of a browser that are looked at.
const WISHES_MAX: usize = 32;

static ALL: LazyLock<Vec<Words>> = LazyLock::new(|| {
    LANGUAGES.iter().zip(FILES).map(|(language, file)| Words::read(language, file)).collect()
});

/// The messages of one language.
pub struct Words {
    /// Its BCP 47 tag.
    pub language: &'static str,
    bundle: FluentBundle<FluentResource>,
}

impl Words {
    /// The messages in the language that is wished for most, by the value of an
    /// `Accept-Language` header or a list of tags.
    pub fn wished(wishes: &str) -> &'static Self {
        let mut wishes: Vec<(f32, &str)> =
            wishes.split([',', ' ']).filter_map(wish).take(WISHES_MAX).collect();
        wishes.sort_by(|a, b| b.0.total_cmp(&a.0));
        let known = |(_, tag): &(f32, &str)| {
            let primary = tag.split('-').next().unwrap_or_default().to_ascii_lowercase();
            LANGUAGES.iter().position(|language| *language == primary)
        };
        &ALL[wishes.iter().find_map(known).unwrap_or(0)]
    }

    /// A message without anything in it.
    pub fn say(&self, name: &str) -> String {
        self.message(name, None)
    }

    /// A message with texts in it, by their names.
    pub fn say_with(&self, name: &str, texts: &[(&str, &str)]) -> String {
        let values = texts.iter().map(|(name, text)| (*name, FluentValue::from(*text)));
        self.message(name, Some(&values.collect()))
    }

    fn read(language: &'static str, file: &str) -> Self {
        let id: LanguageIdentifier = language.parse().expect("the tags above are valid");
        let mut bundle = FluentBundle::new_concurrent(vec![id]);
        // Marks around what is put in would reach screen readers and forms.
        bundle.set_use_isolating(false);
        let resource = FluentResource::try_new(file.to_owned());
        let resource = resource.unwrap_or_else(|(resource, _)| resource);
        // A test holds every file to being whole.
        let _ = bundle.add_resource(resource);
        Self { language, bundle }
    }

    fn message(&self, name: &str, values: Option<&FluentArgs<'_>>) -> String {
        let found = self.find(name, values).or_else(|| ALL[0].find(name, values));
        debug_assert!(found.is_some(), "there is no message {name}");
        found.map_or_else(|| name.to_owned(), Cow::into_owned)
    }

    fn find(&self, name: &str, values: Option<&FluentArgs<'_>>) -> Option<Cow<'_, str>> {
        let pattern = self.bundle.get_message(name)?.value()?;
        let mut faults = Vec::new();
        let text = self.bundle.format_pattern(pattern, values, &mut faults).into_owned();
        debug_assert!(faults.is_empty(), "{name}: {faults:?}");
        Some(Cow::Owned(text))
    }
}

/// A tag with how much it is wished for.
fn wish(text: &str) -> Option<(f32, &str)> {
    let mut parts = text.trim().split(';');
    let tag = parts.next().filter(|tag| !tag.is_empty())?;
    let weight = parts.find_map(|part| part.trim().strip_prefix("q="));
    let weight = weight.map_or(Some(1.0), |weight| weight.parse::<f32>().ok())?;
    (weight > 0.0 && weight.is_finite()).then_some((weight, tag))
}
