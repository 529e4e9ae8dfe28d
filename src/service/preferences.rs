//! Private preferences: what a client keeps with the account and nobody else
//! sees.
//!
//! They are a list of JSON objects, replaced as a whole within one namespace.
//! Some are the owner's alone: an app password neither sees nor changes them.

use serde_json::{Map, Value};

use super::grants::{Actor, Grant};
use super::repos::Locks;
use crate::atproto::Moment;
use crate::store::preferences::{self, Preference};
use crate::store::{Batch, RunError, Store, StoreError};
use crate::world::World;

/// The namespace of the preferences that are served.
const NAMESPACE: &str = "app.bsky";
/// What only the account's own password opens.
const PERSONAL_DETAILS: &str = "app.bsky.actor.defs#personalDetailsPref";
/// What is not kept but worked out of the birth date in the former.
const DECLARED_AGE: &str = "app.bsky.actor.defs#declaredAgePref";
/// The ages that are told, and the names by which.
const AGES: [(i64, &str); 3] = [(13, "isOverAge13"), (16, "isOverAge16"), (18, "isOverAge18")];
/// Characters of the day in a moment: `2026-01-02`.
const DAY_CHARS: usize = 10;

/// Preferences of one account.
pub const PREFERENCES_MAX: usize = 1_000;

/// Keeps private preferences.
pub struct Preferences {
    store: Store,
    world: World,
    /// One writer for each account.
    locks: Locks,
}

/// Why preferences were not kept.
#[derive(Debug, thiserror::Error)]
pub enum PreferenceError {
    /// One has no `$type`, or one of another namespace.
    #[error("Some preferences are not in the {NAMESPACE} namespace")]
    Namespace,
    /// One belongs to the owner alone.
    #[error("Do not have authorization to set preferences: {0}")]
    NotYours(String),
    /// There are too many.
    #[error("an account can have at most {PREFERENCES_MAX} preferences")]
    TooMany,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<RunError> for PreferenceError {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Unmet(unmet) => Self::Store(StoreError::Unexpected(unmet)),
            RunError::Store(error) => Self::Store(error),
        }
    }
}

impl Preferences {
    /// Makes the service.
    pub fn new(store: Store, world: World) -> Self {
        Self { store, world, locks: Locks::default() }
    }

    /// The account's preferences, as far as the actor may see them.
    ///
    /// # Errors
    /// The store's, and [`StoreError::Corrupt`] for one that is not JSON.
    pub async fn read(&self, actor: &Actor) -> Result<Vec<Value>, PreferenceError> {
        let kept = preferences::list(&self.store.db, actor.account).await?;
        let mut shown = Vec::with_capacity(kept.len() + 1);
        let mut age = None;
        for preference in kept.iter().filter(|preference| is_served(&preference.name)) {
            let value = parsed(actor, preference)?;
            if preference.name == PERSONAL_DETAILS {
                age = declared_age(&value, self.world.clock.now());
            }
            if may(actor, &preference.name) {
                shown.push(value);
            }
        }
        shown.extend(age);
        Ok(shown)
    }

    /// Replaces the preferences of the namespace; those that the actor may not
    /// see, and those of other namespaces, stay.
    ///
    /// # Errors
    /// See [`PreferenceError`].
    pub async fn replace(
        &self,
        actor: &Actor,
        wanted: &[Map<String, Value>],
    ) -> Result<(), PreferenceError> {
        let mut all = checked(actor, wanted)?;
        // What is kept is read and written back: nobody else writes in between.
        let _guard = self.locks.lock(actor.account).await;
        let kept = preferences::list(&self.store.db, actor.account).await?;
        let stays = |kept: &Preference| !is_served(&kept.name) || !may(actor, &kept.name);
        all.extend(kept.into_iter().filter(stays));
        if all.len() > PREFERENCES_MAX {
            return Err(PreferenceError::TooMany);
        }
        let mut batch = Batch::new();
        preferences::replace(&mut batch, actor.account, &all);
        Ok(self.store.db.run(batch).await?)
    }
}

fn checked(
    actor: &Actor,
    wanted: &[Map<String, Value>],
) -> Result<Vec<Preference>, PreferenceError> {
    let mut all = Vec::with_capacity(wanted.len());
    for preference in wanted {
        let name = preference.get("$type").and_then(Value::as_str).unwrap_or_default();
        if !is_served(name) {
            return Err(PreferenceError::Namespace);
        }
        if !may(actor, name) {
            return Err(PreferenceError::NotYours(name.to_owned()));
        }
        // Clients send back the whole list that they were shown.
        if name != DECLARED_AGE {
            let value = Value::Object(preference.clone()).to_string();
            all.push(Preference { name: name.to_owned(), value });
        }
    }
    Ok(all)
}

fn is_served(name: &str) -> bool {
    name.strip_prefix(NAMESPACE).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn may(actor: &Actor, name: &str) -> bool {
    name != PERSONAL_DETAILS || actor.grant == Grant::Full
}

fn parsed(actor: &Actor, preference: &Preference) -> Result<Value, StoreError> {
    serde_json::from_str(&preference.value).map_err(|error| StoreError::Corrupt {
        table: "preferences".to_owned(),
        key: actor.did.as_str().to_owned(),
        what: error.to_string(),
    })
}

/// Which ages somebody with these details has reached: days compare as text.
fn declared_age(details: &Value, now: Moment) -> Option<Value> {
    let born = details.get("birthDate")?.as_str()?.get(..DAY_CHARS)?.to_owned();
    let today = now.to_string();
    let year: i64 = today.get(..4)?.parse().ok()?;
    let day = today.get(4..DAY_CHARS)?;
    let mut age = Map::from_iter([("$type".to_owned(), Value::from(DECLARED_AGE))]);
    for (years, name) in AGES {
        age.insert(name.to_owned(), Value::from(born <= format!("{:04}{day}", year - years)));
    }
    Some(Value::Object(age))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_age_is_reached_on_the_birthday() {
        let now = Moment::from_unix_ms(1_767_323_045_678); // 2026-01-02
        let over_18 = |born: &str| {
            declared_age(&json!({ "birthDate": born }), now).map(|age| age["isOverAge18"].clone())
        };
        assert_eq!(over_18("2008-01-02T00:00:00.000Z"), Some(Value::from(true)));
        assert_eq!(over_18("2008-01-03T00:00:00.000Z"), Some(Value::from(false)));
        assert_eq!(over_18("1970"), None);
    }

    #[test]
    fn a_namespace_ends_at_a_dot() {
        assert!(is_served("app.bsky.actor.defs#savedFeedsPref"));
        assert!(!is_served("app.bskyother.actor.defs#pref"));
        assert!(!is_served("com.example.pref"));
    }
}
