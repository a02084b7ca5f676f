//! Parses a schema: strictly, as Avro's specification has it, or as the schema of existing data, whose faults are repaired.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::limits::{MAX_NAME_BYTES, MAX_SCHEMA_BYTES, MAX_SCHEMA_NODES};
use super::name::{is_full_name, is_name, legal_full_name, legal_name, namespace_of, qualify};
use super::schema::{Field, Kind, Node, NodeId, Schema, SchemaError};
use crate::escape::shorten;

impl Schema {
    /// Parses a schema from text.
    ///
    /// # Errors
    /// It is not JSON (with line and column), not an Avro schema (with the field), or exceeds a limit.
    pub fn parse(text: &str) -> Result<Self, SchemaError> {
        Self::from_json(&json_of(text)?)
    }

    /// Parses a schema from JSON.
    ///
    /// # Errors
    /// It is not an Avro schema (with the field), or exceeds a limit.
    pub fn from_json(value: &Value) -> Result<Self, SchemaError> {
        let mut parser = Parser::new(Faults::Refuse);
        let root = parser.schema(value, "")?;
        let schema = Schema { nodes: parser.nodes, root };
        schema.check()?;
        Ok(schema)
    }
}

/// The schema of existing data, without the faults that do not affect how the data are read.
#[derive(Clone, Debug)]
pub struct WrittenSchema {
    /// valid
    pub schema: Schema,
    /// what was repaired, a sentence each
    pub repairs: Vec<String>,
}

impl WrittenSchema {
    /// Parses the schema of existing data. These faults are repaired:
    /// - a default that does not fit its type is dropped: defaults play no part in reading
    /// - a field name that occurs twice in a record: the earlier field is [superseded](Field::is_superseded)
    /// - a name of a type or a field that is not an Avro name: other characters become `_`
    ///
    /// # Errors
    /// See [`Schema::parse`]; for any other fault.
    pub fn parse(text: &str) -> Result<Self, SchemaError> {
        Self::from_json(&json_of(text)?)
    }

    /// As [`parse`](Self::parse), from JSON.
    ///
    /// # Errors
    /// See [`parse`](Self::parse).
    pub fn from_json(value: &Value) -> Result<Self, SchemaError> {
        let mut parser = Parser::new(Faults::Repair(Vec::new()));
        let root = parser.schema(value, "")?;
        let Faults::Repair(mut repairs) = parser.faults else { return Ok(Self::from(Schema::from_json(value)?)) };
        let mut schema = Schema { nodes: parser.nodes, root };
        schema.drop_unfit_defaults(&mut repairs);
        schema.check()?;
        Ok(Self { schema, repairs })
    }
}

impl From<Schema> for WrittenSchema {
    fn from(schema: Schema) -> Self {
        Self { schema, repairs: Vec::new() }
    }
}

fn json_of(text: &str) -> Result<Value, SchemaError> {
    if text.len() > MAX_SCHEMA_BYTES {
        let reason = format!("the schema has {} bytes, more than the maximum of {MAX_SCHEMA_BYTES}", text.len());
        return Err(SchemaError::new("", &reason));
    }
    serde_json::from_str(text).map_err(|e| SchemaError::new("", &format!("an Avro schema must be JSON, but {e}")))
}

/// What to do about faults that do not affect how data are read.
enum Faults {
    Refuse,
    /// what was repaired so far
    Repair(Vec<String>),
}

struct Parser {
    nodes: Vec<Node>,
    named: HashMap<String, NodeId>,
    path: Vec<String>,
    faults: Faults,
}

impl Parser {
    fn new(faults: Faults) -> Self {
        Self { nodes: Vec::new(), named: HashMap::new(), path: Vec::new(), faults }
    }

    fn error<T>(&self, reason: impl Into<String>) -> Result<T, SchemaError> {
        Err(SchemaError::new(&self.path.join("."), &reason.into()))
    }

    fn add(&mut self, kind: Kind, extra: Map<String, Value>) -> Result<NodeId, SchemaError> {
        if self.nodes.len() >= MAX_SCHEMA_NODES {
            return self.error(format!("the schema has more than {MAX_SCHEMA_NODES} nodes"));
        }
        self.nodes.push(Node { kind, extra });
        Ok(self.nodes.len() - 1)
    }

    fn check_length(&self, name: &str) -> Result<(), SchemaError> {
        match name.len() > MAX_NAME_BYTES {
            true => self
                .error(format!("a name has {} bytes, more than the maximum of {MAX_NAME_BYTES}: `{name}`", name.len())),
            false => Ok(()),
        }
    }

    fn schema(&mut self, value: &Value, namespace: &str) -> Result<NodeId, SchemaError> {
        match value {
            Value::String(name) => match primitive(name) {
                Some(kind) => self.add(kind, Map::new()),
                None => self.named_type(name, namespace),
            },
            Value::Array(branches) => self.union(branches, namespace),
            Value::Object(object) => self.object(object, namespace),
            other => self.error(format!("a type must be a name, a list or an object, not {other}")),
        }
    }

    fn named_type(&self, name: &str, namespace: &str) -> Result<NodeId, SchemaError> {
        let mut full = qualify(name, namespace);
        if let Faults::Repair(_) = self.faults {
            full = legal_full_name(&full);
        }
        match self.named.get(&full) {
            Some(node) => Ok(*node),
            None => self.error(format!("there is no type `{full}`: a type must be defined before it is referred to")),
        }
    }

    fn union(&mut self, values: &[Value], namespace: &str) -> Result<NodeId, SchemaError> {
        if values.is_empty() {
            return self.error("a union must have at least one branch");
        }
        let id = self.add(Kind::Null, Map::new())?;
        let mut branches = Vec::with_capacity(values.len());
        let mut seen = HashSet::with_capacity(values.len());
        for value in values {
            let branch = self.schema(value, namespace)?;
            let kind = &self.nodes[branch].kind;
            if matches!(kind, Kind::Union(_)) {
                return self.error("a union must not contain a union");
            }
            // Named types are compared by node: there is one node for each name.
            let is_new = match kind.name() {
                Some(_) => seen.insert((Some(branch), None)),
                None => seen.insert((None, Some(std::mem::discriminant(kind)))),
            };
            if !is_new {
                return self.error(format!("a union contains the type {value} twice"));
            }
            branches.push(branch);
        }
        self.nodes[id].kind = Kind::Union(branches);
        Ok(id)
    }

    fn object(&mut self, object: &Map<String, Value>, namespace: &str) -> Result<NodeId, SchemaError> {
        let Some(kind) = object.get("type") else { return self.error("the object of a type must have the key `type`") };
        let Value::String(word) = kind else {
            let id = self.schema(kind, namespace)?;
            let unnamed = self.nodes[id].kind.name().is_none();
            if unnamed {
                self.nodes[id].extra.extend(rest(object, &["type", "name", "namespace", "doc"]));
            }
            return Ok(id);
        };
        match word.as_str() {
            "array" | "map" => {
                let key = if word == "array" { "items" } else { "values" };
                let Some(inner) = object.get(key) else { return self.error(format!("{word} without `{key}`")) };
                let id = self.add(Kind::Null, rest(object, &["type", key, "name", "doc"]))?;
                let inner = self.schema(inner, namespace)?;
                self.nodes[id].kind = if word == "array" { Kind::Array(inner) } else { Kind::Map(inner) };
                Ok(id)
            }
            "record" | "error" => self.record(object, namespace),
            "enum" => {
                let name = self.name(object, namespace)?;
                let symbols = self.symbols(object)?;
                let extra = rest(object, &["type", "name", "namespace", "doc", "symbols"]);
                self.define(Kind::Enum { name, symbols }, extra)
            }
            "fixed" => {
                let name = self.name(object, namespace)?;
                let Some(size) = object.get("size").and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok()) else {
                    return self.error("fixed without a `size` in bytes");
                };
                let extra = rest(object, &["type", "name", "namespace", "doc", "size"]);
                self.define(Kind::Fixed { name, size: size as usize }, extra)
            }
            word => match primitive(word) {
                Some(kind) => self.add(kind, rest(object, &["type", "name", "namespace", "doc"])),
                None => self.named_type(word, namespace),
            },
        }
    }

    fn name(&mut self, object: &Map<String, Value>, enclosing: &str) -> Result<String, SchemaError> {
        let Some(name) = object.get("name").and_then(Value::as_str) else {
            return self.error("a record, enum or fixed must have a `name`");
        };
        let namespace = object.get("namespace").and_then(Value::as_str).unwrap_or(enclosing);
        let full = qualify(name, namespace);
        self.check_length(&full)?;
        if is_full_name(&full) {
            return Ok(full);
        }
        match &mut self.faults {
            Faults::Refuse => self.error(format!("`{full}` is not an Avro name")),
            Faults::Repair(repairs) => {
                let legal = legal_full_name(&full);
                repairs.push(format!(
                    "the name `{}` of a type is not an Avro name: it is read as `{legal}`",
                    shown(&full)
                ));
                Ok(legal)
            }
        }
    }

    /// The name of a field that is not among `fields`.
    fn field_name(
        &mut self,
        name: &str,
        fields: &mut [Field],
        seen: &mut HashSet<String>,
    ) -> Result<String, SchemaError> {
        self.check_length(name)?;
        let path = self.path.join(".");
        match &mut self.faults {
            Faults::Refuse if !is_name(name) || seen.contains(name) => {
                return self.error(format!("the field name `{name}` is not an Avro name or is a duplicate"));
            }
            Faults::Repair(repairs) if !is_name(name) => {
                let mut legal = legal_name(name);
                while !seen.insert(legal.clone()) {
                    legal.push('_');
                }
                repairs.push(format!("the field name `{}` is not an Avro name: it is read as `{legal}`", shown(&path)));
                return Ok(legal);
            }
            Faults::Repair(repairs) if seen.contains(name) => {
                repairs.push(format!("the field `{}` occurs twice in its record: the later one counts", shown(&path)));
                fields.iter_mut().filter(|field| field.name == name).for_each(|field| field.is_superseded = true);
            }
            _ => {}
        }
        seen.insert(name.to_owned());
        Ok(name.to_owned())
    }

    fn symbols(&self, object: &Map<String, Value>) -> Result<Vec<String>, SchemaError> {
        let symbols: Option<Vec<String>> = object
            .get("symbols")
            .and_then(Value::as_array)
            .and_then(|list| list.iter().map(|symbol| symbol.as_str().map(str::to_owned)).collect());
        let Some(symbols) = symbols else { return self.error("enum without a list of `symbols`") };
        let mut seen = HashSet::with_capacity(symbols.len());
        for symbol in &symbols {
            self.check_length(symbol)?;
            if !is_name(symbol) || !seen.insert(symbol) {
                return self.error(format!("the symbol `{symbol}` is not an Avro name or is a duplicate"));
            }
        }
        Ok(symbols)
    }

    fn record(&mut self, object: &Map<String, Value>, enclosing: &str) -> Result<NodeId, SchemaError> {
        let name = self.name(object, enclosing)?;
        let Some(list) = object.get("fields").and_then(Value::as_array) else {
            return self.error(format!("the record `{name}` has no list of `fields`"));
        };
        let unfinished = Kind::Record { name: name.clone(), fields: Vec::new() };
        let id = self.add(unfinished, rest(object, &["type", "name", "namespace", "doc", "fields"]))?;
        let before = self.named.get(&name).copied();
        self.named.entry(name.clone()).or_insert(id);
        let mut fields: Vec<Field> = Vec::with_capacity(list.len());
        let mut seen: HashSet<String> = HashSet::with_capacity(list.len());
        for field in list {
            let (Some(field_name), Some(kind)) = (field.get("name").and_then(Value::as_str), field.get("type")) else {
                return self.error(format!("a field of `{name}` has no `name` or no `type`"));
            };
            self.path.push(field_name.to_owned());
            let field_name = self.field_name(field_name, &mut fields, &mut seen)?;
            let node = self.schema(kind, namespace_of(&name))?;
            let default = field.get("default").cloned();
            let extra = field.as_object().map_or_else(Map::new, |all| rest(all, &["name", "type", "default", "doc"]));
            fields.push(Field { name: field_name, node, default, extra, is_superseded: false });
            self.path.pop();
        }
        // So that the names of a record remain distinct.
        for field in fields.iter_mut().filter(|field| field.is_superseded) {
            while !seen.insert(field.name.clone()) {
                field.name.push('_');
            }
        }
        self.nodes[id].kind = Kind::Record { name, fields };
        self.unify(id, before)
    }

    fn define(&mut self, kind: Kind, extra: Map<String, Value>) -> Result<NodeId, SchemaError> {
        let before = kind.name().and_then(|name| self.named.get(name)).copied();
        let id = self.add(kind, extra)?;
        if let (Some(name), None) = (self.nodes[id].kind.name(), before) {
            self.named.insert(name.to_owned(), id);
        }
        self.unify(id, before)
    }

    /// A type that is defined again must be defined in the same way.
    fn unify(&self, id: NodeId, before: Option<NodeId>) -> Result<NodeId, SchemaError> {
        let Some(before) = before else { return Ok(id) };
        match self.is_same(before, id) {
            true => Ok(before),
            false => {
                let name = self.nodes[id].kind.name().unwrap_or_default();
                self.error(format!("the type `{name}` is defined twice, with different definitions"))
            }
        }
    }
}

impl Parser {
    /// Whether two definitions are the same. Equal named types in them are the same node, so this takes time in proportion to the text.
    fn is_same(&self, one: NodeId, other: NodeId) -> bool {
        if one == other {
            return true;
        }
        let (a, b) = (&self.nodes[one], &self.nodes[other]);
        a.extra == b.extra
            && match (&a.kind, &b.kind) {
                (Kind::Array(one), Kind::Array(other)) | (Kind::Map(one), Kind::Map(other)) => {
                    self.is_same(*one, *other)
                }
                (Kind::Union(one), Kind::Union(other)) => {
                    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| self.is_same(*one, *other))
                }
                (Kind::Record { name, fields }, Kind::Record { name: name_b, fields: fields_b }) => {
                    let same = |(one, other): (&Field, &Field)| {
                        one.name == other.name
                            && one.default == other.default
                            && one.extra == other.extra
                            && self.is_same(one.node, other.node)
                    };
                    name == name_b && fields.len() == fields_b.len() && fields.iter().zip(fields_b).all(same)
                }
                (one, other) => one == other,
            }
    }
}

/// A name of a part of the schema in a message.
fn shown(name: &str) -> String {
    shorten(name, 100)
}

fn rest(object: &Map<String, Value>, known: &[&str]) -> Map<String, Value> {
    object.iter().filter(|(key, _)| !known.contains(&key.as_str())).map(|(k, v)| (k.clone(), v.clone())).collect()
}

fn primitive(name: &str) -> Option<Kind> {
    Some(match name {
        "null" => Kind::Null,
        "boolean" => Kind::Boolean,
        "int" => Kind::Int,
        "long" => Kind::Long,
        "float" => Kind::Float,
        "double" => Kind::Double,
        "bytes" => Kind::Bytes,
        "string" => Kind::String,
        _ => return None,
    })
}
