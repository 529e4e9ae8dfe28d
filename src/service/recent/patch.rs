//! Answers of an AppView, with an account's newest records put in.
//!
//! An answer of a shape that is not expected stays as it is. Only first pages
//! get posts: what is new belongs to no other.

use serde_json::{Value, json};

use super::views::type_of;
use super::{Local, Post, Quotes};

/// Answers that are patched, each in its own way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One profile.
    Profile,
    /// Several profiles.
    Profiles,
    /// Posts of all whom the account follows.
    Timeline,
    /// Posts of one account.
    AuthorFeed,
    /// Posts that an account likes.
    ActorLikes,
    /// A post and its answers.
    PostThread,
}

impl Kind {
    /// Returns the kind of a method's answer.
    pub fn of(method: &str) -> Option<Self> {
        Some(match method {
            "app.bsky.actor.getProfile" => Self::Profile,
            "app.bsky.actor.getProfiles" => Self::Profiles,
            "app.bsky.feed.getTimeline" => Self::Timeline,
            "app.bsky.feed.getAuthorFeed" => Self::AuthorFeed,
            "app.bsky.feed.getActorLikes" => Self::ActorLikes,
            "app.bsky.feed.getPostThread" => Self::PostThread,
            _ => return None,
        })
    }
}

/// The parameters of a call.
#[derive(Clone, Debug, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads a query string.
    pub fn new(query: &str) -> Self {
        Self(url::form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    /// Returns the first value of a parameter; an empty one is none.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(key, value)| key == name && !value.is_empty());
        found.map(|(_, value)| value.as_str())
    }
}

impl Local {
    /// Returns those posts that belong into `answer` and are not there yet, the newest first.
    pub fn wanted(&self, kind: Kind, query: &Query, answer: &Value) -> Vec<&Post> {
        let posts = self.posts.iter();
        match kind {
            Kind::Timeline => posts.filter(|post| belongs_in_feed(post, query, answer)).collect(),
            Kind::AuthorFeed if query.get("actor").is_some_and(|actor| self.is_called(actor)) => {
                let passes = |post: &&Post| self.passes(post, query.get("filter"));
                posts.filter(passes).filter(|post| belongs_in_feed(post, query, answer)).collect()
            }
            Kind::PostThread => {
                let thread = answer.get("thread").unwrap_or(&Value::Null);
                let known = |post: &&Post| !holds(thread, &post.uri);
                posts.filter(known).filter(|post| belongs_in_thread(post, thread)).collect()
            }
            Kind::AuthorFeed | Kind::Profile | Kind::Profiles | Kind::ActorLikes => Vec::new(),
        }
    }

    /// Puts `posts`, which are [`Local::wanted`], and the profile into `answer`.
    pub fn patch(&self, kind: Kind, answer: &mut Value, posts: &[&Post], quotes: &Quotes) {
        match kind {
            Kind::Profile => self.patch_profile(answer),
            Kind::Profiles => {
                let profiles = answer.get_mut("profiles").and_then(Value::as_array_mut);
                profiles.into_iter().flatten().for_each(|profile| self.patch_profile(profile));
            }
            Kind::Timeline => self.insert_in_feed(answer, posts, quotes),
            Kind::AuthorFeed => {
                self.patch_authors(answer);
                self.insert_in_feed(answer, posts, quotes);
            }
            Kind::ActorLikes => self.patch_authors(answer),
            Kind::PostThread => {
                let Some(thread) = answer.get_mut("thread") else { return };
                // The oldest first, since the next may answer it.
                for post in posts.iter().rev() {
                    self.insert_in_thread(thread, post, quotes);
                }
            }
        }
    }

    /// Builds the thread of a post of one's own, with nothing above it.
    pub fn thread(&self, post: &Post, quotes: &Quotes) -> Value {
        let mut answer = json!({ "thread": self.thread_view(post, quotes) });
        let replies = self.wanted(Kind::PostThread, &Query::default(), &answer);
        self.patch(Kind::PostThread, &mut answer, &replies, quotes);
        answer
    }

    /// Finds a post by its address, in which the handle may stand for the DID.
    pub fn post_at(&self, uri: &str) -> Option<&Post> {
        let (authority, path) = uri.strip_prefix("at://")?.split_once('/')?;
        let own = self.is_called(authority);
        self.posts.iter().find(|post| own && post.uri == format!("at://{}/{path}", self.did))
    }

    fn is_called(&self, name: &str) -> bool {
        name == self.did || name.eq_ignore_ascii_case(&self.handle)
    }

    fn patch_profile(&self, view: &mut Value) {
        let (Some(profile), Some(_)) = (&self.profile, self.profile_at) else { return };
        if self.is_of(view) {
            self.update_detailed(view, profile);
        }
    }

    fn patch_authors(&self, answer: &mut Value) {
        let (Some(profile), Some(_)) = (&self.profile, self.profile_at) else { return };
        let feed = answer.get_mut("feed").and_then(Value::as_array_mut);
        for author in feed.into_iter().flatten().filter_map(|item| item.pointer_mut("/post/author"))
        {
            if self.is_of(author) {
                self.update_basic(author, profile);
            }
        }
    }

    fn is_of(&self, view: &Value) -> bool {
        view.get("did").and_then(Value::as_str) == Some(self.did.as_str())
    }

    /// Whether a post passes the filter of an author's feed. Posts with videos
    /// wait for the AppView, which alone can show them.
    fn passes(&self, post: &Post, filter: Option<&str>) -> bool {
        let own = |which| {
            let uri = post.reply(which).unwrap_or_default();
            uri.split('/').nth(2) == Some(self.did.as_str())
        };
        match filter.unwrap_or("posts_with_replies") {
            "posts_with_replies" => true,
            "posts_no_replies" => post.record.get("reply").is_none(),
            "posts_and_author_threads" => {
                post.record.get("reply").is_none() || (own("root") && own("parent"))
            }
            "posts_with_media" => {
                let embed = post.record.get("embed").unwrap_or(&Value::Null);
                let media = embed.get("media").unwrap_or(embed);
                type_of(media) == "app.bsky.embed.images"
            }
            _ => false,
        }
    }

    fn insert_in_feed(&self, answer: &mut Value, posts: &[&Post], quotes: &Quotes) {
        let Some(feed) = answer.get_mut("feed").and_then(Value::as_array_mut) else { return };
        for post in posts {
            let at = post.at.to_string();
            let older = |item: &Value| !is_pinned(item) && indexed_at(item) < at.as_str();
            let place = feed.iter().position(older).unwrap_or(feed.len());
            feed.insert(place, json!({ "post": self.post_view(post, quotes) }));
        }
    }

    fn insert_in_thread(&self, view: &mut Value, post: &Post, quotes: &Quotes) {
        if uri_of(view).is_some_and(|uri| Some(uri) == post.reply("parent")) {
            let reply = self.thread_view(post, quotes);
            match view.get_mut("replies").and_then(Value::as_array_mut) {
                Some(replies) => replies.insert(0, reply),
                None => view["replies"] = json!([reply]),
            }
            return;
        }
        let replies = view.get_mut("replies").and_then(Value::as_array_mut);
        for reply in replies.into_iter().flatten() {
            self.insert_in_thread(reply, post, quotes);
        }
    }

    fn thread_view(&self, post: &Post, quotes: &Quotes) -> Value {
        let post = self.post_view(post, quotes);
        json!({ "$type": "app.bsky.feed.defs#threadViewPost", "post": post })
    }
}

fn belongs_in_feed(post: &Post, query: &Query, answer: &Value) -> bool {
    let Some(feed) = answer.get("feed").and_then(Value::as_array) else { return false };
    let known = feed.iter().any(|item| uri_of(item) == Some(post.uri.as_str()));
    let last = feed.last().map_or("", indexed_at);
    !known && query.get("cursor").is_none() && post.at.to_string().as_str() > last
}

fn belongs_in_thread(post: &Post, thread: &Value) -> bool {
    let Some(root) = post.reply("root") else { return false };
    let above = thread.pointer("/post/record/reply/root/uri").and_then(Value::as_str);
    uri_of(thread) == Some(root) || above == Some(root)
}

/// Whether a post stands somewhere below `view`.
fn holds(view: &Value, uri: &str) -> bool {
    let replies = view.get("replies").and_then(Value::as_array);
    uri_of(view) == Some(uri) || replies.into_iter().flatten().any(|reply| holds(reply, uri))
}

fn uri_of(item: &Value) -> Option<&str> {
    item.pointer("/post/uri")?.as_str()
}

fn indexed_at(item: &Value) -> &str {
    item.pointer("/post/indexedAt").and_then(Value::as_str).unwrap_or_default()
}

fn is_pinned(item: &Value) -> bool {
    item.get("reason").is_some_and(|reason| type_of(reason) == "app.bsky.feed.defs#reasonPin")
}
