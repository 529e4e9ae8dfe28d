//! Values to canonical DAG-CBOR.

use super::{Value, cbor::Writer};

impl Value {
    /// Returns the canonical DAG-CBOR of this value: the bytes that are hashed.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(256);
        self.write(&mut writer);
        writer.into_bytes()
    }

    /// Appends the canonical DAG-CBOR of this value.
    pub fn write(&self, writer: &mut Writer) {
        match self {
            Self::Null => writer.null(),
            Self::Bool(value) => writer.bool(*value),
            Self::Int(number) => writer.int(*number),
            Self::Text(text) => writer.text(text),
            Self::Bytes(bytes) => writer.bytes(bytes),
            Self::Link(link) => writer.link(link.as_bytes()),
            Self::List(values) => {
                writer.list(values.len());
                values.iter().for_each(|value| value.write(writer));
            }
            Self::Map(map) => {
                writer.map(map.len());
                for (key, value) in map.iter() {
                    writer.text(key);
                    value.write(writer);
                }
            }
        }
    }
}
