//! The meaning of rules, on rows made for each test.

use super::{BoundRules, InvalidCell, Rules};
use crate::catalog::{Catalog, Column, ColumnLocation, ColumnType, NestedRecord};
use crate::row::{Columns, Rows};

const EXAMPLE: &str = include_str!("../../tests/rules/01-worked-example.xml");

fn example_catalog() -> Catalog {
    Catalog::parse(include_str!("../../tests/rules/catalog.json")).unwrap()
}

/// The name of a column and the bytes of its cell.
type NamedCell<'a> = (&'a str, &'a [u8]);

/// Rows with these keys and cells.
fn page(catalog: &Catalog, rows: &[(&str, &[NamedCell<'_>])]) -> (Columns, Rows) {
    let cells: Vec<&Column> = catalog.columns.iter().filter(|column| column.family_and_qualifier().is_some()).collect();
    let names = cells.iter().filter_map(|column| column.family_and_qualifier());
    let columns = Columns::new(names.map(|(family, qualifier)| (family.to_owned(), qualifier.to_owned())).collect());
    let mut page = Rows::default();
    let mut builder = page.refill(columns.len());
    for (key, values) in rows {
        builder.row(key.as_bytes());
        for (name, value) in *values {
            let slot = cells.iter().position(|column| column.name == *name).unwrap();
            builder.cell(slot, value, 1);
        }
    }
    (columns, page)
}

fn file(filter: &str) -> String {
    format!("<distribution-rules><select><column name='*'/></select><filter>{filter}</filter></distribution-rules>")
}

fn diagnostics(text: &str) -> Vec<String> {
    let diagnostics = Rules::parse(text.as_bytes(), &example_catalog()).expect_err("the file is wrong");
    diagnostics.into_iter().map(|diagnostic| format!("{}: {}", diagnostic.position, diagnostic.message)).collect()
}

fn evaluate_one(filter: &str, key: &str, cells: &[NamedCell<'_>]) -> Result<bool, InvalidCell> {
    let catalog = example_catalog();
    let (columns, page) = page(&catalog, &[(key, cells)]);
    let rules = Rules::parse(file(filter).as_bytes(), &catalog).unwrap();
    let bound: BoundRules = rules.bind(&columns).unwrap();
    bound.refused_by(&page.row(0)).map(|condition| condition.is_none())
}

fn names(catalog: &Catalog, indexes: &[usize]) -> Vec<String> {
    indexes.iter().map(|index| catalog.columns[*index].name.clone()).collect()
}

#[test]
fn worked_example_keeps_the_first_row_of_three() {
    let catalog = example_catalog();
    let rules = Rules::parse(EXAMPLE.as_bytes(), &catalog).unwrap();
    assert_eq!(
        names(&catalog, rules.columns()),
        ["objectId", "candidate_ra", "candidate_dec", "candidate_magpsf", "cross_match_alerts_per_batch"]
    );
    assert_eq!(
        names(&catalog, rules.filter_columns()),
        ["candidate_ra", "candidate_magpsf", "cross_match_alerts_per_batch"]
    );
    let alerts: [(&str, f64, f32, &str); 3] = [
        ("ZTF18aceatkx", 20.393772, 16.074839, "Star"),
        ("ZTF18acsbjvw", 20.4233877, 17.245092, "Unknown"),
        ("ZTF18acsbten", 12.5489498, 19.667372, "Unknown"),
    ];
    let cells = alerts.map(|(_, ra, magpsf, kind)| (ra.to_be_bytes(), magpsf.to_be_bytes(), kind));
    let cells = cells.each_ref().map(|(ra, magpsf, kind)| {
        [
            ("candidate_ra", &ra[..]),
            ("candidate_magpsf", &magpsf[..]),
            ("cross_match_alerts_per_batch", kind.as_bytes()),
        ]
    });
    let rows: Vec<(&str, &[NamedCell<'_>])> =
        alerts.iter().zip(&cells).map(|((key, ..), cells)| (*key, &cells[..])).collect();
    let (columns, page) = page(&catalog, &rows);
    let bound = rules.bind(&columns).unwrap();
    let verdicts: Vec<Option<usize>> = page.iter().map(|row| bound.refused_by(&row).unwrap()).collect();
    assert_eq!(verdicts, [None, Some(2), Some(2)]);
    assert_eq!(rules.conditions()[2].text, "cross_match_alerts_per_batch = 'Star'");
    assert_eq!(rules.conditions()[2].line, 27);
}

#[test]
fn only_an_empty_file_or_element_means_everything() {
    let catalog = example_catalog();
    for text in [
        "",
        " \r\n\t",
        "\u{feff}",
        "<distribution-rules/>",
        "<?xml version='1.0'?><distribution-rules>\n<!-- none --></distribution-rules>",
    ] {
        let rules = Rules::parse(text.as_bytes(), &catalog).unwrap();
        assert!(rules.is_everything() && rules.conditions().is_empty(), "{text}");
        assert_eq!(rules.columns().len(), catalog.columns.len());
    }
    for text in
        ["<!-- nothing else -->", "<?xml version='1.0'?>", "<distribution-rules>", "everything", "<rules/>", "\0"]
    {
        assert!(Rules::parse(text.as_bytes(), &catalog).is_err(), "{text}");
    }
}

#[test]
fn neighbouring_long_integers_differ() {
    let id: i64 = (1 << 53) + 1;
    for (operator, other, kept) in
        [("=", id, true), ("=", id - 1, false), ("&gt;", id - 1, true), ("&lt;", id + 1, true)]
    {
        let filter = format!("<column name='candid' operator='{operator}' value='{other}'/>");
        assert_eq!(evaluate_one(&filter, "x", &[("candid", &id.to_be_bytes())]), Ok(kept), "{operator} {other}");
    }
    let filter = format!("<column name='candid' operator='in' value='{}, {}, {}.0'/>", id - 1, id + 1, i64::MIN);
    assert_eq!(evaluate_one(&filter, "x", &[("candid", &id.to_be_bytes())]), Ok(false));
    assert_eq!(evaluate_one(&filter, "x", &[("candid", &i64::MIN.to_be_bytes())]), Ok(true));
}

#[test]
fn float_cell_equals_the_number_it_was_written_from() {
    let filter = "<column name='candidate_magpsf' operator='=' value='16.1'/>";
    assert_eq!(evaluate_one(filter, "x", &[("candidate_magpsf", &16.1_f32.to_be_bytes())]), Ok(true));
}

#[test]
fn no_comparison_holds_with_null() {
    for operator in ["&lt;", "&lt;=", "=", "!=", "&gt;=", "&gt;", "in", "between"] {
        let value = if operator == "between" { "0 and 9" } else { "1" };
        let filter = format!("<column name='roid' operator='{operator}' value='{value}'/>");
        assert_eq!(evaluate_one(&filter, "x", &[]), Ok(false), "{operator}");
        assert_eq!(evaluate_one(&format!("<not>{filter}</not>"), "x", &[]), Ok(true), "{operator}");
    }
    assert_eq!(evaluate_one("<column name='roid' operator='is null'/>", "x", &[]), Ok(true));
    assert_eq!(evaluate_one("<column name='roid' operator='Is  Not Null'/>", "x", &[]), Ok(false));
}

#[test]
fn only_not_equal_holds_with_nan() {
    let nan = f64::NAN.to_be_bytes();
    for (operator, value, kept) in [
        ("&lt;", "1", false),
        ("&gt;=", "1", false),
        ("=", "1", false),
        ("!=", "1", true),
        ("in", "1, 2", false),
        ("between", "-inf and inf", false),
    ] {
        let filter = format!("<column name='candidate_ra' operator='{operator}' value='{value}'/>");
        assert_eq!(evaluate_one(&filter, "x", &[("candidate_ra", &nan)]), Ok(kept), "{operator}");
    }
    assert_eq!(
        evaluate_one("<column name='candidate_ra' operator='is nan'/>", "x", &[("candidate_ra", &nan)]),
        Ok(true)
    );
}

#[test]
fn row_key_can_be_tested() {
    let filter = "<column name='objectId' operator='between' value=\"'ZTF18' and 'ZTF19'\"/>";
    assert_eq!(evaluate_one(filter, "ZTF18aceatkx", &[]), Ok(true));
    assert_eq!(evaluate_one(filter, "ZTF19aceatkx", &[]), Ok(false));
}

#[test]
fn parts_of_a_row_key_are_read_as_text() {
    let part = |name: &str, part, kind| Column::new(name, ColumnLocation::RowKey { part }, kind);
    let columns =
        vec![part("salt", 0, ColumnType::Short), part("ra", 1, ColumnType::Float), part("id", 2, ColumnType::Long)];
    let catalog = Catalog::new("default", "t", &["salt", "ra", "id"], columns, Vec::new());
    let rules = Rules::parse(
        file("<column name='salt' operator='=' value='7'/><column name='ra' operator='&lt;' value='16.1'/><column name='id' operator='!=' value='4'/>").as_bytes(),
        &catalog,
    )
    .unwrap();
    let bound = rules.bind(&Columns::new(Vec::new())).unwrap();
    let verdict = |key: &str| {
        let mut page = Rows::default();
        page.refill(0).row(key.as_bytes());
        bound.refused_by(&page.row(0)).map_err(|error| error.to_string())
    };
    assert_eq!(verdict("007_1.5_5"), Ok(None));
    assert_eq!(verdict("7_16.1_5"), Ok(Some(1)));
    assert_eq!(verdict("7_1_4"), Ok(Some(2)));
    assert_eq!(
        verdict("7_1_4_4"),
        Err("row `7_1_4_4`: column `id` is long in the catalog, but the part `4_4` of the row key is not of type long"
            .into())
    );
    assert_eq!(
        verdict("7_1"),
        Err("row `7_1`: column `id` is long in the catalog, but the row key has too few parts: 3 are expected".into())
    );
}

#[test]
fn a_cell_of_another_width_is_an_error_that_names_row_and_column() {
    let error = evaluate_one("<column name='candid' operator='!=' value='1'/>", "ZTF\u{1}", &[("candid", &[0; 7])])
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "row `ZTF\\x01`: column `candid` is long in the catalog, but its cell has 7 bytes instead of 8"
    );
    assert!(evaluate_one("<column name='known' operator='=' value='true'/>", "x", &[("known", &[])]).is_err());
    assert!(
        evaluate_one("<column name='candidate_magpsf' operator='is nan'/>", "x", &[("candidate_magpsf", &[0; 8])])
            .is_err()
    );
}

#[test]
fn any_non_zero_byte_is_true() {
    let filter = "<column name='known' operator='!=' value='false'/>";
    assert_eq!(evaluate_one(filter, "x", &[("known", &[1])]), Ok(true));
    assert_eq!(evaluate_one(filter, "x", &[("known", &[0])]), Ok(false));
}

#[test]
fn column_that_is_not_read_is_named() {
    let catalog = example_catalog();
    let rules = Rules::parse(EXAMPLE.as_bytes(), &catalog).unwrap();
    let columns = Columns::new(vec![("i".into(), "candidate_magpsf".into())]);
    let error = rules.bind(&columns).expect_err("two columns are missing");
    assert_eq!(error.column, "candidate_ra");
}

#[test]
fn presence_marker_remains_exactly_with_a_field_of_its_record() {
    let marker = Column::cell("i", "diaObject", ColumnType::Boolean);
    let fields = ["diaObject_ra", "diaObject_dec"].map(|name| Column::cell("i", name, ColumnType::Double));
    let columns = [Column::cell("i", "id", ColumnType::Long), marker].into_iter().chain(fields).collect();
    let records = vec![NestedRecord { path: "diaObject".into(), nullable: true }];
    let catalog = Catalog::new("default", "t", &["id"], columns, records);
    let left = |parts: &str| {
        let text = format!("<distribution-rules>{parts}</distribution-rules>");
        names(&catalog, Rules::parse(text.as_bytes(), &catalog).unwrap().columns())
    };
    assert_eq!(left("<select><column name='diaObject' subcol='ra'/></select>"), ["diaObject", "diaObject_ra"]);
    assert_eq!(left("<select><column name='diaObject'/></select>"), ["diaObject", "diaObject_ra", "diaObject_dec"]);
    let without =
        "<select><column name='*'/></select><drop><column name='diaObject_ra'/><column name='diaObject_dec'/></drop>";
    assert_eq!(left(without), ["id"]);
}

#[test]
fn xml_errors_have_their_positions() {
    for (text, expected) in [
        ("<distribution-rules>\n<select>\n</distribution-rules>", "3:1"),
        ("<distribution-rules>\n  <select>", "2:3"),
        ("<distribution-rules>\n é <select/>", "2:2"),
        ("<distribution-rules><select><column name=roid/></select></distribution-rules>", "1:42"),
        ("<distribution-rules><select><column name='roid' name='known'/></select></distribution-rules>", "1:49"),
        ("<distribution-rules><select><column name='a'subcol='b'/></select></distribution-rules>", "1:45"),
        ("<distribution-rules><select><column name='a<b'/></select></distribution-rules>", "1:44"),
        ("<distribution-rules><select><column name='é&x;'/></select></distribution-rules>", "1:44"),
        ("<distribution-rules><select><column name='a&b'/></select></distribution-rules>", "1:44"),
        ("<distribution-rules>&amp;</distribution-rules>", "1:21"),
        ("<distribution-rules><![CDATA[x]]></distribution-rules>", "1:21"),
        ("<distribution-rules/>\n<distribution-rules/>", "2:1"),
        ("\n<?xml version='1.0'?><distribution-rules/>", "2:1"),
        ("<distribution-rules/><!DOCTYPE distribution-rules>", "1:22"),
        ("<!DOCTYPE distribution-rules SYSTEM 'x.dtd' <distribution-rules/>", "1:1"),
        ("<distribution-rules><!-- a <!-- b --></distribution-rules>", "1:30"),
        ("<distribution-rules>\n<!-- é-a\n --- --></distribution-rules>", "3:2"),
        ("<distribution-rules><!-- ---></distribution-rules>", "1:26"),
        ("<distribution-rules>\u{1}</distribution-rules>", "1:21"),
    ] {
        let diagnostics = diagnostics(text);
        assert!(
            diagnostics.len() == 1 && diagnostics[0].starts_with(&format!("{expected}: ")),
            "{text}\n{diagnostics:?}"
        );
    }
    let latin = b"<distribution-rules>\n <!-- \xe9 --></distribution-rules>";
    let diagnostics = Rules::parse(latin, &example_catalog()).unwrap_err();
    assert_eq!((diagnostics[0].position.line, diagnostics[0].position.column), (2, 7));
}

#[test]
fn another_encoding_is_rejected_unless_the_file_is_ascii() {
    let text = |comment| {
        format!("<?xml version='1.0' encoding='ISO-8859-1'?><distribution-rules><!--{comment}--></distribution-rules>")
    };
    assert!(Rules::parse(text("e").as_bytes(), &example_catalog()).is_ok());
    assert_eq!(
        diagnostics(&text("é")),
        [
            "1:1: the declared encoding is `ISO-8859-1`, but rules files must be UTF-8: save the file as UTF-8 and declare that"
        ]
    );
}

#[test]
fn elements_nest_at_most_thirty_two_deep() {
    let nested = |depth: usize| {
        let (open, close) = ("<any>".repeat(depth - 3), "</any>".repeat(depth - 3));
        file(&format!("{open}<column name='roid' operator='is null'/>{close}"))
    };
    assert!(Rules::parse(nested(32).as_bytes(), &example_catalog()).is_ok());
    assert_eq!(diagnostics(&nested(33)).len(), 1);
}
