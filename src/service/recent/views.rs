//! Views of an account's own records, as an AppView would make them.
//!
//! Counts are nought, since nobody has seen the record yet. Pictures are this
//! server's blobs. What a view lacks a client does without.

use serde_json::{Map, Value, json};

use super::{Local, Post, Quotes};

impl Local {
    /// The account as the author of a post.
    pub(super) fn author(&self) -> Value {
        let mut view = json!({ "did": self.did, "handle": self.handle });
        if let Some(profile) = &self.profile {
            self.update_basic(&mut view, profile);
        }
        view
    }

    /// Puts into a view what the smallest view of a profile shows.
    pub(super) fn update_basic(&self, view: &mut Value, profile: &Value) {
        put(view, "displayName", profile.get("displayName").cloned());
        put(view, "avatar", self.picture(profile.get("avatar")));
    }

    /// Puts into a view what the largest view of a profile shows.
    pub(super) fn update_detailed(&self, view: &mut Value, profile: &Value) {
        self.update_basic(view, profile);
        put(view, "description", profile.get("description").cloned());
        put(view, "banner", self.picture(profile.get("banner")));
    }

    /// The view of a post.
    pub(super) fn post_view(&self, post: &Post, quotes: &Quotes) -> Value {
        let mut view = json!({
            "uri": post.uri, "cid": post.cid, "author": self.author(), "record": post.record,
            "replyCount": 0, "repostCount": 0, "likeCount": 0, "quoteCount": 0,
            "indexedAt": post.at.to_string(),
        });
        let embed = post.record.get("embed").and_then(|embed| self.embed(embed, quotes));
        put(&mut view, "embed", embed);
        view
    }

    fn embed(&self, embed: &Value, quotes: &Quotes) -> Option<Value> {
        match type_of(embed) {
            "app.bsky.embed.record" => Some(record(embed, quotes)),
            "app.bsky.embed.recordWithMedia" => Some(json!({
                "$type": "app.bsky.embed.recordWithMedia#view",
                "record": record(embed.get("record")?, quotes),
                "media": self.media(embed.get("media")?)?,
            })),
            _ => self.media(embed),
        }
    }

    fn media(&self, embed: &Value) -> Option<Value> {
        match type_of(embed) {
            "app.bsky.embed.images" => {
                let images = embed.get("images")?.as_array()?;
                let images: Option<Vec<_>> = images.iter().map(|image| self.image(image)).collect();
                Some(json!({ "$type": "app.bsky.embed.images#view", "images": images? }))
            }
            "app.bsky.embed.external" => {
                let external = embed.get("external")?;
                let mut view = json!({});
                for name in ["uri", "title", "description"] {
                    put(&mut view, name, Some(external.get(name)?.clone()));
                }
                put(&mut view, "thumb", self.picture(external.get("thumb")));
                Some(json!({ "$type": "app.bsky.embed.external#view", "external": view }))
            }
            _ => None,
        }
    }

    fn image(&self, image: &Value) -> Option<Value> {
        let picture = self.picture(image.get("image"))?;
        let mut view = json!({ "thumb": picture, "fullsize": picture, "alt": image.get("alt")? });
        put(&mut view, "aspectRatio", image.get("aspectRatio").cloned());
        Some(view)
    }

    /// Where a blob is to be had.
    fn picture(&self, blob: Option<&Value>) -> Option<Value> {
        let blob = blob?;
        let cid = blob.pointer("/ref/$link").or_else(|| blob.get("cid"))?.as_str()?;
        let Self { origin, did, .. } = self;
        Some(format!("{origin}/xrpc/com.atproto.sync.getBlob?did={did}&cid={cid}").into())
    }
}

impl Post {
    /// The address of the record that the post embeds.
    pub fn quoted(&self) -> Option<&str> {
        let embed = self.record.get("embed")?;
        let pointer = match type_of(embed) {
            "app.bsky.embed.record" => "/record/uri",
            "app.bsky.embed.recordWithMedia" => "/record/record/uri",
            _ => return None,
        };
        embed.pointer(pointer)?.as_str()
    }

    /// A post that this one answers or that began the conversation.
    pub(super) fn reply(&self, which: &str) -> Option<&str> {
        self.record.get("reply")?.get(which)?.get("uri")?.as_str()
    }
}

fn record(embed: &Value, quotes: &Quotes) -> Value {
    let uri = embed.pointer("/record/uri").and_then(Value::as_str).unwrap_or_default();
    let lost =
        || json!({ "$type": "app.bsky.embed.record#viewNotFound", "uri": uri, "notFound": true });
    let found = quotes.get(uri).cloned().unwrap_or_else(lost);
    json!({ "$type": "app.bsky.embed.record#view", "record": found })
}

/// The view of a post of somebody, as it stands in another post.
pub fn quoted_post(mut post: Value) -> Option<Value> {
    let fields: &mut Map<String, Value> = post.as_object_mut()?;
    let mut view = json!({ "$type": "app.bsky.embed.record#viewRecord" });
    for name in ["uri", "cid", "author", "indexedAt"] {
        put(&mut view, name, Some(fields.remove(name)?));
    }
    put(&mut view, "value", Some(fields.remove("record")?));
    put(&mut view, "labels", fields.remove("labels"));
    put(&mut view, "embeds", fields.remove("embed").map(|embed| json!([embed])));
    Some(view)
}

pub(super) fn type_of(value: &Value) -> &str {
    value.get("$type").and_then(Value::as_str).unwrap_or_default()
}

/// Sets a field, or removes it.
fn put(view: &mut Value, name: &str, value: Option<Value>) {
    let Some(fields) = view.as_object_mut() else { return };
    match value {
        Some(value) => fields.insert(name.to_owned(), value),
        None => fields.remove(name),
    };
}
