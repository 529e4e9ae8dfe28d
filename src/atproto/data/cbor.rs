//! The canonical encoding, item by item: what CBOR looks like here.
//!
//! [`Writer`] appends items in their shortest form; the caller writes a map's
//! keys in canonical order. [`Reader`] borrows from its input and takes nothing
//! but the canonical form: shortest heads, definite lengths, text in UTF-8, no
//! simple values but false, true and null, no tag but the link's. Lengths are
//! believed only as far as there are bytes. Signed objects and event frames are
//! written and read through these two as well.
//!
//! Spec: <https://atproto.com/specs/data-model>, "DRISL"

use super::DataError;

/// Appends CBOR items to a byte vector.
#[derive(Debug, Default)]
pub struct Writer {
    out: Vec<u8>,
}

/// The head of the next item, as [`Reader::item`] finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// Null.
    Null,
    /// False or true.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Text.
    Text(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
    /// The binary form of a CID.
    Link(&'a [u8]),
    /// A list: this many items follow.
    List(usize),
    /// A map: this many pairs of key and value follow.
    Map(usize),
}

/// Reads CBOR items from a byte slice.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

const MAJOR_UINT: u8 = 0;
const MAJOR_NEGATIVE: u8 = 1;
const MAJOR_BYTES: u8 = 2;
const MAJOR_TEXT: u8 = 3;
const MAJOR_LIST: u8 = 4;
const MAJOR_MAP: u8 = 5;
const MAJOR_TAG: u8 = 6;
const LINK_TAG: u64 = 42;
const FALSE: u8 = 0xf4;
const TRUE: u8 = 0xf5;
const NULL: u8 = 0xf6;

impl Writer {
    /// Returns a writer with room for `size_bytes`.
    pub fn with_capacity(size_bytes: usize) -> Self {
        Self { out: Vec::with_capacity(size_bytes) }
    }

    /// Returns how many bytes were written so far.
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// Says whether nothing was written yet.
    pub fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// Returns the bytes written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.out
    }

    /// Writes null.
    pub fn null(&mut self) {
        self.out.push(NULL);
    }

    /// Writes false or true.
    pub fn bool(&mut self, value: bool) {
        self.out.push(if value { TRUE } else { FALSE });
    }

    /// Writes a whole number.
    pub fn int(&mut self, number: i64) {
        match u64::try_from(number) {
            Ok(number) => self.head(MAJOR_UINT, number),
            // -1 - n has the same bits as !n.
            Err(_) => self.head(MAJOR_NEGATIVE, !(number as u64)),
        }
    }

    /// Writes text.
    pub fn text(&mut self, text: &str) {
        self.head(MAJOR_TEXT, text.len() as u64);
        self.out.extend_from_slice(text.as_bytes());
    }

    /// Writes bytes.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.head(MAJOR_BYTES, bytes.len() as u64);
        self.out.extend_from_slice(bytes);
    }

    /// Writes a link to the CID with this binary form.
    pub fn link(&mut self, cid: &[u8]) {
        self.head(MAJOR_TAG, LINK_TAG);
        self.head(MAJOR_BYTES, cid.len() as u64 + 1);
        self.out.push(0);
        self.out.extend_from_slice(cid);
    }

    /// Begins a list of `length` items, which the caller writes next.
    pub fn list(&mut self, length: usize) {
        self.head(MAJOR_LIST, length as u64);
    }

    /// Begins a map of `length` pairs, which the caller writes next, keys in
    /// canonical order.
    pub fn map(&mut self, length: usize) {
        self.head(MAJOR_MAP, length as u64);
    }

    /// Appends bytes that are encoded already.
    pub fn raw(&mut self, encoded: &[u8]) {
        self.out.extend_from_slice(encoded);
    }

    fn head(&mut self, major: u8, number: u64) {
        let major = major << 5;
        match number {
            0..=23 => self.out.push(major | number as u8),
            24..=0xff => self.out.extend_from_slice(&[major | 24, number as u8]),
            0x100..=0xffff => {
                self.out.push(major | 25);
                self.out.extend_from_slice(&(number as u16).to_be_bytes());
            }
            0x1_0000..=0xffff_ffff => {
                self.out.push(major | 26);
                self.out.extend_from_slice(&(number as u32).to_be_bytes());
            }
            _ => {
                self.out.push(major | 27);
                self.out.extend_from_slice(&number.to_be_bytes());
            }
        }
    }
}

impl<'a> Reader<'a> {
    /// Begins at the first byte.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Returns how many bytes were read.
    pub fn position(&self) -> usize {
        self.at
    }

    /// Says whether all bytes were read.
    pub fn is_at_end(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// Reads one item, of a list or map only the head.
    ///
    /// # Errors
    /// [`DataError::Cbor`] for whatever is not canonical or cut off, and
    /// [`DataError::IntRange`] for a number outside 64 bits with a sign.
    pub fn item(&mut self) -> Result<Item<'a>, DataError> {
        let at = self.at;
        let first = *self.bytes.get(at).ok_or(cut_off(at))?;
        if first >> 5 == 7 {
            self.at += 1;
            return match first {
                FALSE => Ok(Item::Bool(false)),
                TRUE => Ok(Item::Bool(true)),
                NULL => Ok(Item::Null),
                0xf9..=0xfb => Err(wrong(at, "a float")),
                _ => Err(wrong(at, "a simple value that the model does not have")),
            };
        }
        let number = self.head(first)?;
        match first >> 5 {
            MAJOR_UINT => i64::try_from(number)
                .map(Item::Int)
                .map_err(|_| DataError::IntRange(number.to_string())),
            MAJOR_NEGATIVE => i64::try_from(number)
                .map(|number| Item::Int(!number))
                .map_err(|_| DataError::IntRange(format!("-1-{number}"))),
            MAJOR_BYTES => self.take(number).map(Item::Bytes),
            MAJOR_TEXT => std::str::from_utf8(self.take(number)?)
                .map(Item::Text)
                .map_err(|_| wrong(at, "text that is not UTF-8")),
            MAJOR_LIST => self.length(number, 1).map(Item::List),
            MAJOR_MAP => self.length(number, 2).map(Item::Map),
            _ => self.tagged(at, number),
        }
    }

    /// Reads a map's key.
    ///
    /// # Errors
    /// [`DataError::Cbor`] for anything but text.
    pub fn key(&mut self) -> Result<&'a str, DataError> {
        let at = self.at;
        match self.item()? {
            Item::Text(key) => Ok(key),
            _ => Err(wrong(at, "a key that is not text")),
        }
    }

    /// Reads the number in the head that starts with `first`.
    fn head(&mut self, first: u8) -> Result<u64, DataError> {
        let at = self.at;
        self.at += 1;
        let (number, least) = match first & 0x1f {
            small @ 0..=23 => return Ok(u64::from(small)),
            24 => (u64::from(u8::from_be_bytes(self.array()?)), 24),
            25 => (u64::from(u16::from_be_bytes(self.array()?)), 0x100),
            26 => (u64::from(u32::from_be_bytes(self.array()?)), 0x1_0000),
            27 => (u64::from_be_bytes(self.array()?), 0x1_0000_0000),
            31 => return Err(wrong(at, "an indefinite length")),
            _ => return Err(wrong(at, "a reserved head")),
        };
        if number < least {
            return Err(wrong(at, "a head that is not the shortest"));
        }
        Ok(number)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DataError> {
        let bytes = self.bytes[self.at..].first_chunk::<N>();
        let bytes = *bytes.ok_or(cut_off(self.at))?;
        self.at += N;
        Ok(bytes)
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], DataError> {
        let rest = &self.bytes[self.at..];
        let length = usize::try_from(length).map_err(|_| cut_off(self.at))?;
        let taken = rest.get(..length).ok_or(cut_off(self.at))?;
        self.at += length;
        Ok(taken)
    }

    /// Checks a count against the bytes that are left, of which each element
    /// needs at least `element_bytes_min`.
    fn length(&self, count: u64, element_bytes_min: usize) -> Result<usize, DataError> {
        let count = usize::try_from(count).map_err(|_| DataError::TooLong)?;
        let room = (self.bytes.len() - self.at) / element_bytes_min;
        match count {
            count if count > super::CONTAINER_LEN_MAX => Err(DataError::TooLong),
            count if count > room => Err(cut_off(self.at)),
            count => Ok(count),
        }
    }

    fn tagged(&mut self, at: usize, tag: u64) -> Result<Item<'a>, DataError> {
        if tag != LINK_TAG {
            return Err(wrong(at, "a tag other than the link's"));
        }
        let first = *self.bytes.get(self.at).ok_or(cut_off(self.at))?;
        if first >> 5 != MAJOR_BYTES {
            return Err(wrong(at, "a link that is not bytes"));
        }
        let length = self.head(first)?;
        match self.take(length)?.split_first() {
            Some((0, cid)) if super::link::is_cid_v1(cid) => Ok(Item::Link(cid)),
            _ => Err(wrong(at, "a link that is not a CID of version 1")),
        }
    }
}

/// Returns the error for an item at `at` that is not as it must be.
pub(super) fn wrong(at: usize, what: &'static str) -> DataError {
    DataError::Cbor { at, what }
}

fn cut_off(at: usize) -> DataError {
    wrong(at, "the input ends too early")
}
