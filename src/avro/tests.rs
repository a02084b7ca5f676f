use serde_json::json;

use super::{Kind, Reader, Schema, Skipper, WrittenSchema, same_encoding, write_bytes, write_long};

fn schema(text: &str) -> Schema {
    Schema::parse(text).unwrap()
}

#[test]
fn longs_read_back_the_same() {
    for value in [0, -1, 1, 63, 64, -64, -65, 1 << 53, (1 << 53) + 1, i64::MAX, i64::MIN] {
        let mut bytes = Vec::new();
        write_long(value, &mut bytes);
        assert_eq!(Reader::new(&bytes).long(), Ok(value));
        assert!(Reader::new(&bytes[..bytes.len() - 1]).long().is_err());
    }
    assert!(Reader::new(&[0xff; 10]).long().is_err());
    assert!(Reader::new(&[0x80; 20]).long().is_err());
}

#[test]
fn fixed_schemas_have_known_fingerprints() {
    // Avro's own test data for CRC-64-AVRO
    assert_eq!(schema("\"null\"").fingerprint(), 7195948357588979594);
    assert_eq!(schema("\"int\"").fingerprint(), 8247732601305521295);
    let record = r#"{"type": "record", "name": "foo", "fields": [{"name": "f1", "type": "boolean"}]}"#;
    assert_eq!(
        schema(record).canonical_form(),
        r#"{"name":"foo","type":"record","fields":[{"name":"f1","type":"boolean"}]}"#
    );
}

#[test]
fn names_keep_their_namespace() {
    let text = r#"{"type":"record","name":"alert","namespace":"ztf","fields":[
        {"name":"a","type":{"type":"record","name":"cutout","namespace":"ztf.alert","doc":"gone","fields":[
            {"name":"x","type":"int","doc":"gone"}]}},
        {"name":"b","type":["ztf.alert.cutout","null"],"default":null},
        {"name":"c","type":{"type":"enum","name":"free","namespace":"","symbols":["A"]}},
        {"name":"d","type":{"type":"long","logicalType":"timestamp-micros"},"order":"ignore"}]}"#;
    assert_eq!(
        schema(text).to_string(),
        r#"{"type":"record","name":"ztf.alert","fields":[{"name":"a","type":{"type":"record","name":"ztf.alert.cutout","fields":[{"name":"x","type":"int"}]}},{"name":"b","type":["ztf.alert.cutout","null"],"default":null},{"name":"c","type":{"type":"enum","name":"free","namespace":"","symbols":["A"]}},{"name":"d","type":{"type":"long","logicalType":"timestamp-micros"},"order":"ignore"}]}"#
    );
}

#[test]
fn errors_name_the_field() {
    let fault = |kind: &str| {
        let text = format!(r#"{{"type":"record","name":"r","fields":[{{"name":"a","type":{kind}}}]}}"#);
        Schema::parse(&text).unwrap_err().to_string()
    };
    assert_eq!(
        fault(r#""nosuch""#),
        "there is no type `nosuch`: a type must be defined before it is referred to (at `a`)"
    );
    assert!(fault(r#"["int","int"]"#).contains("twice"));
    assert!(fault(r#"["int",["null"]]"#).contains("union"));
    assert!(fault(r#"{"type":"fixed","name":"f"}"#).contains("size"));
    assert!(fault(r#"{"type":"record","name":"b c","fields":[]}"#).contains("`b c`"));
    assert!(fault(r#""int","default":"x""#).contains("default"));
    assert!(Schema::parse("{").unwrap_err().to_string().contains("line 1"));
    assert!(Schema::parse("123").is_err());
    let endless = r#"{"type":"record","name":"r","fields":[{"name":"a","type":["r","null"],"default":{}}]}"#;
    assert!(Schema::parse(endless).is_err());
}

#[test]
fn faults_of_a_written_schema_are_repaired_and_told() {
    let text = r#"{"type":"record","name":"ztf-alert","namespace":"2nd.try","fields":[
        {"name":"x","type":"float"},
        {"name":"sg-mag","type":"int","default":null},
        {"name":"x","type":{"type":"fixed","name":"f.é","size":2}},
        {"name":"y","type":["f.é"],"default":3},
        {"name":"ok","type":"int","default":3}]}"#;
    assert!(Schema::parse(text).is_err());
    let WrittenSchema { schema, repairs } = WrittenSchema::parse(text).unwrap();
    assert_eq!(
        repairs,
        [
            "the name `2nd.try.ztf-alert` of a type is not an Avro name: it is read as `_2nd.try.ztf_alert`",
            "the field name `sg-mag` is not an Avro name: it is read as `sg_mag`",
            "the field `x` occurs twice in its record: the later one counts",
            "the name `f.é` of a type is not an Avro name: it is read as `f._`",
            "the default null does not fit its type (at `_2nd.try.ztf_alert.sg_mag`), and so for 1 other fields: defaults play no part in reading the data",
        ]
    );
    let names = |schema: &Schema| match schema.kind(schema.root()) {
        Kind::Record { fields, .. } => fields.iter().map(|field| field.name.clone()).collect::<Vec<_>>(),
        _ => Vec::new(),
    };
    assert_eq!(names(&schema), ["x_", "sg_mag", "x", "y", "ok"]);
    let readable = schema.without_superseded().unwrap();
    assert_eq!(names(&readable), ["sg_mag", "x", "y", "ok"]);
    assert_eq!(Schema::parse(&readable.to_string()).unwrap(), readable);
    assert!(readable.to_string().contains(r#""default":3"#));
    assert!(readable.without_superseded().is_none());
    // What changes how the data are read is still refused.
    for fault in [r#"["int","int"]"#, r#"{"type":"enum","name":"e","symbols":["a-b"]}"#, r#""nosuch""#] {
        let text = format!(r#"{{"type":"record","name":"r","fields":[{{"name":"a","type":{fault}}}]}}"#);
        assert!(WrittenSchema::parse(&text).is_err(), "{fault}");
    }
}

#[test]
fn types_defined_twice_must_be_the_same() {
    let two = |second: &str| {
        let text = format!(
            r#"{{"type":"record","name":"r","fields":[
                {{"name":"a","type":{{"type":"fixed","name":"f","size":2}}}},
                {{"name":"b","type":{{"type":"fixed","name":"f","size":{second}}}}}]}}"#
        );
        Schema::parse(&text)
    };
    assert!(two("2").unwrap().to_string().ends_with(r#"{"name":"b","type":"f"}]}"#));
    assert!(two("3").unwrap_err().to_string().contains("different definitions"));
}

#[test]
fn defaults_fit_any_branch() {
    let schema = schema(r#"["null","float",{"type":"array","items":"int"}]"#);
    let datum = |value| {
        let mut out = Vec::new();
        schema.encode_default(schema.root(), &value, &mut out).map(|()| out)
    };
    assert_eq!(datum(json!(null)), Ok(vec![0]));
    assert_eq!(datum(json!(1.0)), Ok(vec![2, 0, 0, 128, 63]));
    assert_eq!(datum(json!([1])), Ok(vec![4, 2, 2, 0]));
    assert!(datum(json!("x")).is_err());
}

#[test]
fn same_encoding_compares_bytes_and_field_names() {
    let same = |one: &str, other: &str| {
        let (one, other) = (schema(one), schema(other));
        same_encoding((&one, one.root()), (&other, other.root()))
    };
    assert!(same(r#"{"type":"long","logicalType":"timestamp-micros"}"#, r#""long""#));
    assert!(same(r#"["null","int"]"#, r#"["null","int","string"]"#));
    assert!(!same(r#"["null","int","string"]"#, r#"["null","int"]"#));
    assert!(!same(r#"["null","int"]"#, r#"["int","null"]"#));
    let record =
        |field| format!(r#"{{"type":"record","name":"r","fields":[{{"name":"{field}","type":["null","r"]}}]}}"#);
    assert!(same(&record("a"), &record("a")));
    assert!(!same(&record("a"), &record("b")));
}

#[test]
fn malformed_data_are_found_without_memory_or_stack() {
    let check = |text: &str, datum: &[u8]| {
        let schema = schema(text);
        Skipper::new(&schema).check(schema.root(), datum)
    };
    let mut long_list = Vec::new();
    write_long(i64::MAX, &mut long_list);
    assert!(check(r#"{"type":"array","items":"int"}"#, &long_list).is_err());
    assert!(check(r#"{"type":"array","items":"null"}"#, &long_list).is_err());
    assert!(check(r#"{"type":"array","items":"null"}"#, &[6, 0]).is_ok());
    assert!(check(r#""bytes""#, &long_list).is_err());
    assert!(check(r#""string""#, &[4, 0xc3, 0x28]).is_err());
    assert!(check(r#""boolean""#, &[2]).is_err());
    assert!(check(r#"["null","float"]"#, &[4]).is_err());
    assert!(check(r#"["float","null"]"#, &[0, 1, 2, 3]).is_err());
    assert!(check(r#""int""#, &[0]).is_ok());
    assert!(check(r#""int""#, &[0, 0]).is_err());
    let linked = r#"{"type":"record","name":"r","fields":[{"name":"next","type":["null","r"]}]}"#;
    assert!(check(linked, &[2, 2, 0]).is_ok());
    assert!(check(linked, &[2; 1 << 20]).is_err());
    assert!(check(r#"{"type":"record","name":"r","fields":[{"name":"x","type":"r"}]}"#, &[]).is_err());
    let negative = [&[1][..], &[4], &[2, 4], &[0]].concat();
    assert!(check(r#"{"type":"array","items":"int"}"#, &negative).is_err());
    assert!(check(r#"{"type":"array","items":"int"}"#, &[3, 4, 2, 4, 0]).is_ok());
}

#[test]
fn subschema_is_complete() {
    let whole = schema(
        r#"{"type":"record","name":"n.r","fields":[
            {"name":"a","type":{"type":"record","name":"s","fields":[]}},
            {"name":"b","type":{"type":"array","items":"s"}}]}"#,
    );
    let Kind::Record { fields, .. } = whole.kind(whole.root()) else { panic!() };
    let part = whole.subschema(fields[1].node);
    assert_eq!(part.to_string(), r#"{"type":"array","items":{"type":"record","name":"n.s","fields":[]}}"#);
}

#[test]
fn files_of_another_kind_are_refused() {
    use super::container::{Container, ContainerError, Header};
    assert!(matches!(Container::read(b"SIMPLE  ="), Err(ContainerError::NotAContainer)));
    let mut file = Vec::new();
    let header = Header::new("\"string\"");
    header.write(&mut file);
    let mut datum = Vec::new();
    write_bytes("é".as_bytes(), &mut datum);
    header.write_block(&datum, &mut file);
    assert_eq!(Container::read(&file).unwrap().data().collect::<Vec<_>>(), [datum]);
    for end in 0..file.len() {
        assert!(end == file.len() - 21 || Container::read(&file[..end]).is_err(), "{end} of {}", file.len());
    }
}
