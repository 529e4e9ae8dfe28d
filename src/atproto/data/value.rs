//! The model's values, and its maps in their one order.

use super::Link;

/// One value of the data model. There are no floats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Present, and nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number of 64 bits with a sign.
    Int(i64),
    /// Text, kept as it came: no normalisation.
    Text(String),
    /// Bytes; `{"$bytes": …}` in JSON.
    Bytes(Vec<u8>),
    /// A link to other data; `{"$link": …}` in JSON.
    Link(Link),
    /// Values in order.
    List(Vec<Value>),
    /// Values by key.
    Map(Map),
}

/// A map in the canonical order: shorter keys first, then by bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Map {
    entries: Vec<(String, Value)>,
}

/// Says where `left` stands to `right` in the canonical order of keys.
pub(super) fn key_order(left: &str, right: &str) -> std::cmp::Ordering {
    let lengths = left.len().cmp(&right.len());
    lengths.then_with(|| left.as_bytes().cmp(right.as_bytes()))
}

impl Map {
    /// Returns a map without entries.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes entries that stand in canonical order already, without duplicates.
    pub(super) fn from_canonical(entries: Vec<(String, Value)>) -> Self {
        Self { entries }
    }

    /// Returns the number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Says whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns the value under `key`.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.find(key).ok().map(|index| &self.entries[index].1)
    }

    /// Returns the value under `key`, to be changed.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Value> {
        self.find(key).ok().map(|index| &mut self.entries[index].1)
    }

    /// Puts `value` under `key` and returns what stood there.
    pub fn insert(&mut self, key: impl Into<String>, value: Value) -> Option<Value> {
        let key = key.into();
        match self.find(&key) {
            Ok(index) => Some(std::mem::replace(&mut self.entries[index].1, value)),
            Err(index) => {
                self.entries.insert(index, (key, value));
                None
            }
        }
    }

    /// Takes the value under `key` out.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        self.find(key).ok().map(|index| self.entries.remove(index).1)
    }

    /// Returns the entries in canonical order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.entries.iter().map(|(key, value)| (key.as_str(), value))
    }

    fn find(&self, key: &str) -> Result<usize, usize> {
        self.entries.binary_search_by(|(other, _)| key_order(other, key))
    }
}

impl<K: Into<String>> FromIterator<(K, Value)> for Map {
    /// Brings entries into order; of two with one key the later one stays.
    fn from_iter<I: IntoIterator<Item = (K, Value)>>(entries: I) -> Self {
        let mut entries: Vec<(String, Value)> =
            entries.into_iter().map(|(key, value)| (key.into(), value)).collect();
        // The sort is stable, so equal keys keep the order in which they came.
        entries.sort_by(|(left, _), (right, _)| key_order(left, right));
        entries.dedup_by(|later, kept| {
            let same = later.0 == kept.0;
            if same {
                std::mem::swap(later, kept);
            }
            same
        });
        Self { entries }
    }
}

impl Value {
    /// Returns the text, if this is text.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the number, if this is one.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            _ => None,
        }
    }

    /// Returns the truth value, if this is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// Returns the bytes, if these are bytes.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Returns the link, if this is one.
    pub fn as_link(&self) -> Option<&Link> {
        match self {
            Self::Link(link) => Some(link),
            _ => None,
        }
    }

    /// Returns the list, if this is one.
    pub fn as_list(&self) -> Option<&[Value]> {
        match self {
            Self::List(values) => Some(values),
            _ => None,
        }
    }

    /// Returns the map, if this is one.
    pub fn as_map(&self) -> Option<&Map> {
        match self {
            Self::Map(map) => Some(map),
            _ => None,
        }
    }

    /// Returns the map to be changed, if this is one.
    pub fn as_map_mut(&mut self) -> Option<&mut Map> {
        match self {
            Self::Map(map) => Some(map),
            _ => None,
        }
    }

    /// Returns the value under `key`, if this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.as_map()?.get(key)
    }

    /// Returns the map's `$type`: the NSID of the schema it claims.
    pub fn type_name(&self) -> Option<&str> {
        self.get("$type")?.as_text()
    }
}

impl From<Map> for Value {
    fn from(map: Map) -> Self {
        Self::Map(map)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<crate::atproto::Cid> for Value {
    fn from(cid: crate::atproto::Cid) -> Self {
        Self::Link(cid.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_order_by_length_and_keep_the_last_of_equal_keys() {
        let map: Map = [("b", 1), ("aa", 2), ("a", 3), ("b", 4), ("b", 5)]
            .map(|(key, number)| (key, Value::from(number)))
            .into_iter()
            .collect();
        let entries: Vec<_> = map.iter().map(|(k, v)| (k, v.as_int())).collect();
        assert_eq!(entries, [("a", Some(3)), ("b", Some(5)), ("aa", Some(2))]);
    }

    #[test]
    fn insert_get_and_remove_agree() {
        let mut map = Map::new();
        assert_eq!(map.insert("long", Value::Null), None);
        assert_eq!(map.insert("z", Value::from(1)), None);
        assert_eq!(map.insert("z", Value::from(2)), Some(Value::from(1)));
        assert_eq!(map.get("z"), Some(&Value::from(2)));
        assert_eq!(map.iter().next().map(|(key, _)| key), Some("z"));
        assert_eq!(map.remove("z"), Some(Value::from(2)));
        assert_eq!(map.len(), 1);
        assert_eq!(map.get("z"), None);
    }
}
