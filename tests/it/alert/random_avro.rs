//! Random Avro schemas and values. `apache-avro` writes the values, so it is the judge.

use std::collections::HashMap;

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::schema::{Name, ResolvedSchema};
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value as Json, json};

/// A source of schemas and values.
pub struct Random {
    pub rng: ChaCha8Rng,
    names: usize,
    /// full name, dots and all, and whether a record of that name is still being described
    types: Vec<(String, bool)>,
}

impl Random {
    pub fn new(seed: u64) -> Self {
        Self { rng: ChaCha8Rng::seed_from_u64(seed), names: 0, types: Vec::new() }
    }

    pub fn below(&mut self, end: usize) -> usize {
        self.rng.random_range(0..end)
    }

    fn name(&mut self, stem: &str) -> String {
        self.names += 1;
        format!("{stem}{}", self.names)
    }

    /// An alert's schema: a record whose first field is a long named `id`.
    pub fn alert(&mut self) -> Json {
        self.types.clear();
        let mut record = self.record("", 0);
        record["fields"].as_array_mut().unwrap().insert(0, json!({"name": "id", "type": "long"}));
        record
    }

    fn record(&mut self, namespace: &str, depth: usize) -> Json {
        let (mut object, full, namespace) = self.named("record", namespace);
        self.types.push((full.clone(), true));
        let count = self.below(if depth == 0 { 7 } else { 5 });
        let mut fields = Vec::new();
        for _ in 0..count {
            let mut field = json!({"name": self.name("f"), "type": self.schema(&namespace, depth + 1)});
            if field["type"][0] == "null" && self.below(2) == 0 {
                field["default"] = Json::Null;
            }
            if self.below(5) == 0 {
                field["doc"] = "words \"in\" quotes".into();
            }
            fields.push(field);
        }
        object.insert("fields".into(), fields.into());
        self.types.iter_mut().for_each(|(name, open)| *open &= *name != full);
        object.into()
    }

    /// The head of a named type, its full name and the namespace within it.
    fn named(&mut self, kind: &str, namespace: &str) -> (Map<String, Json>, String, String) {
        let short = self.name("T");
        let (name, own, inside) = match self.below(4) {
            0 => (format!("a.b{}.{short}", self.below(2)), None, None),
            1 => (short.clone(), Some("n.m"), Some("n.m".to_owned())),
            _ => (short.clone(), None, Some(namespace.to_owned())),
        };
        let inside = inside.unwrap_or_else(|| name.rsplit_once('.').unwrap().0.to_owned());
        let full = if inside.is_empty() { short } else { format!("{inside}.{short}") };
        let mut object = Map::new();
        object.insert("type".into(), kind.into());
        object.insert("name".into(), name.into());
        object.extend(own.map(|own| ("namespace".to_owned(), own.into())));
        (object, full, inside)
    }

    fn schema(&mut self, namespace: &str, depth: usize) -> Json {
        match self.below(8) {
            0 | 1 => json!(["null", self.single(namespace, depth)]),
            2 | 3 => json!([self.single(namespace, depth), "null"]),
            4 if self.below(3) == 0 => json!([self.single(namespace, depth)]),
            5 if self.below(2) == 0 => {
                let mut branches = vec![json!("string"), json!("double"), json!({"type": "array", "items": "int"})];
                branches.push(self.record(namespace, depth + 2));
                if self.below(3) > 0 {
                    branches.insert(self.below(5), "null".into());
                }
                branches.into()
            }
            _ => self.single(namespace, depth),
        }
    }

    fn single(&mut self, namespace: &str, depth: usize) -> Json {
        let deep = depth > 3;
        match self.below(if deep { 16 } else { 22 }) {
            0 => "boolean".into(),
            1 => "int".into(),
            2 | 3 => "long".into(),
            4 | 5 => "float".into(),
            6 | 7 => "double".into(),
            8 => "bytes".into(),
            9 | 10 => "string".into(),
            11 => json!({"type": "long", "logicalType": "timestamp-micros"}),
            12 => json!({"type": "int", "logicalType": "date"}),
            13 => json!({"type": "bytes", "logicalType": "decimal", "precision": 20, "scale": 3}),
            14 => {
                let (mut object, full, _) = self.named("enum", namespace);
                object.insert("symbols".into(), json!(["RED", "GREEN", "BLUE"]));
                self.types.push((full, false));
                object.into()
            }
            15 => {
                let (mut object, full, _) = self.named("fixed", namespace);
                object.insert("size".into(), self.below(9).into());
                self.types.push((full, false));
                object.into()
            }
            16 | 17 => json!({"type": "array", "items": self.schema(namespace, depth + 1)}),
            18 => json!({"type": "map", "values": self.schema(namespace, depth + 1)}),
            19 if !self.types.is_empty() => {
                let at = self.below(self.types.len());
                let (name, open) = self.types[at].clone();
                match (open, name.contains('.') || namespace.is_empty()) {
                    (_, false) => "long".into(),
                    (false, true) => name.into(),
                    (true, true) if self.below(2) == 0 => json!({"type": "array", "items": ["null", name]}),
                    (true, true) => json!({"type": "array", "items": name}),
                }
            }
            _ => self.record(namespace, depth + 1),
        }
    }

    /// A value of a schema.
    pub fn value(&mut self, schema: &Schema) -> Value {
        let resolved = ResolvedSchema::new(schema).unwrap();
        let names = resolved.get_names().iter().map(|(name, schema)| (name.clone(), *schema)).collect();
        self.fill(schema, &names, 0)
    }

    fn fill(&mut self, schema: &Schema, names: &HashMap<Name, &Schema>, depth: usize) -> Value {
        let count = |random: &mut Self| if depth > 5 { 0 } else { random.below(4) };
        match schema {
            Schema::Null => Value::Null,
            Schema::Boolean => Value::Boolean(self.below(2) == 0),
            Schema::Int => Value::Int(self.int() as i32),
            Schema::Long => Value::Long(self.int()),
            Schema::Float => Value::Float(match self.below(5) {
                0 => -0.0,
                1 => f32::from_bits(0x7fc0_1234),
                2 => f32::NEG_INFINITY,
                _ => f32::from_bits(self.rng.random()),
            }),
            Schema::Double => Value::Double(match self.below(5) {
                0 => -0.0,
                1 => f64::from_bits(0x7ff8_0000_dead_beef),
                _ => f64::from_bits(self.rng.random()),
            }),
            Schema::Bytes => Value::Bytes(self.bytes()),
            Schema::String => Value::String(self.text()),
            Schema::Array(array) => {
                Value::Array((0..count(self)).map(|_| self.fill(&array.items, names, depth + 1)).collect())
            }
            Schema::Map(map) => {
                let entries = count(self).min(1);
                Value::Map((0..entries).map(|_| (self.text(), self.fill(&map.types, names, depth + 1))).collect())
            }
            Schema::Union(union) => {
                let null = union.variants().iter().position(|branch| matches!(branch, Schema::Null));
                let at = match null {
                    Some(null) if depth > 5 => null,
                    _ => self.below(union.variants().len()),
                };
                Value::Union(at as u32, Box::new(self.fill(&union.variants()[at], names, depth + 1)))
            }
            Schema::Record(record) => Value::Record(
                record.fields.iter().map(|f| (f.name.clone(), self.fill(&f.schema, names, depth + 1))).collect(),
            ),
            Schema::Enum(words) => {
                let at = self.below(words.symbols.len());
                Value::Enum(at as u32, words.symbols[at].clone())
            }
            Schema::Fixed(fixed) => Value::Fixed(fixed.size, (0..fixed.size).map(|_| self.rng.random()).collect()),
            Schema::Decimal(_) => Value::Decimal(vec![1, self.rng.random(), self.rng.random()].into()),
            Schema::Date => Value::Date(self.int() as i32),
            Schema::TimestampMicros => Value::TimestampMicros(self.int()),
            Schema::Ref { name } => self.fill(names[name], names, depth + 1),
            other => panic!("no value for {other:?}"),
        }
    }

    fn int(&mut self) -> i64 {
        match self.below(4) {
            0 => self.rng.random_range(-3..100),
            1 => i64::MIN,
            _ => self.rng.random(),
        }
    }

    fn bytes(&mut self) -> Vec<u8> {
        (0..self.below(20)).map(|_| self.rng.random()).collect()
    }

    fn text(&mut self) -> String {
        (0..self.below(8)).map(|_| ['a', 'é', '\u{1f52d}', ',', ' ', '"', '\n'][self.below(7)]).collect()
    }
}

/// A value as the judge writes it.
pub fn datum(schema: &Schema, value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    GenericDatumWriter::builder(schema).build().unwrap().write_value_ref(&mut out, value).unwrap();
    out
}

/// A datum as the judge reads it.
pub fn read(schema: &Schema, datum: &[u8]) -> Value {
    GenericDatumReader::builder(schema).build().unwrap().read_value(&mut &*datum).unwrap()
}
