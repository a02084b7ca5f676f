//! Conditions, rules and filters: the alerts that each keeps, counted by another way.

use super::Consumer;

fn all(consumer: &Consumer) -> Vec<(u64, f64, f64)> {
    let lines = consumer.lines(&["--no-group", "-e", "--fields", "candid,magpsf,drb"]);
    let number = |value: &serde_json::Value| value.as_f64().unwrap_or(f64::NAN);
    let mut all: Vec<_> = lines
        .iter()
        .map(|line| (line["candid"].as_u64().expect("an id"), number(&line["magpsf"]), number(&line["drb"])))
        .collect();
    all.sort_by_key(|alert| alert.0);
    all
}

#[test]
fn conditions_rules_and_filters_keep_the_same_alerts() {
    let consumer = Consumer::new("choices");
    consumer.send("ztf", "datum", "schema", 36);
    let alerts = all(&consumer);
    let mut magnitudes: Vec<f64> = alerts.iter().map(|alert| alert.1).collect();
    magnitudes.sort_by(f64::total_cmp);
    let limit = magnitudes[magnitudes.len() / 2];
    let kept: Vec<u64> = alerts.iter().filter(|alert| alert.1 < limit).map(|alert| alert.0).collect();
    assert!(!kept.is_empty() && kept.len() < alerts.len());

    let condition = format!("magpsf < {limit}");
    assert_eq!(consumer.candids(&["--no-group", "-e", "--where", &condition]), kept);

    let rules = consumer.fixture.path("rules.xml");
    let text = format!(
        "<distribution-rules><select><column name=\"*\"/></select><filter><column name=\"candidate\" subcol=\"magpsf\" operator=\"&lt;\" value=\"{limit}\"/></filter></distribution-rules>"
    );
    std::fs::write(&rules, text).expect("a file");
    assert_eq!(consumer.candids(&["--no-group", "-e", "--rules", rules.to_str().expect("UTF-8")]), kept);

    let filter = format!("def bright(magpsf):\n    return magpsf < {limit} - 1e-6\n");
    std::fs::write(consumer.fixture.path("bright.py"), filter).expect("a file");
    assert_eq!(consumer.candids(&["--no-group", "-e", "--filter", "bright:bright"]), kept);

    let many =
        consumer.candids(&["--no-group", "-e", "--where", "drb > 0.5 or drb is null", "--filter", "bright:bright"]);
    let both: Vec<u64> = alerts
        .iter()
        .filter(|alert| alert.1 < limit && (alert.2 > 0.5 || alert.2.is_nan()))
        .map(|alert| alert.0)
        .collect();
    assert_eq!(many, both);
}

#[test]
fn rules_select_columns_as_the_service_does() {
    let consumer = Consumer::new("columns");
    let sent = consumer.send("ztf", "datum", "schema", 12);
    let rules = |name: &str, select: &str| {
        let file = consumer.fixture.path(name);
        let text = format!("<distribution-rules><select>{select}</select></distribution-rules>");
        std::fs::write(&file, text).expect("a file");
        file.display().to_string()
    };
    let column = |name: &str| format!("<column name=\"{name}\"/>");
    let few = rules("few.xml", &["objectId", "candid", "candidate_magpsf", "prv_candidates"].map(column).concat());
    let lines = consumer.lines(&["--no-group", "-e", "--rules", &few]);
    let whole = consumer.lines(&["--no-group", "-e", "--bytes", "none"]);
    assert_eq!(lines.len(), sent.len());
    for (line, whole) in lines.iter().zip(&whole) {
        let fields: Vec<&String> = line.as_object().expect("an object").keys().collect();
        assert_eq!(fields, ["objectId", "candid", "candidate", "prv_candidates"]);
        assert_eq!(line["candidate"].as_object().expect("an object").len(), 1);
        for path in ["/objectId", "/candid", "/candidate/magpsf", "/prv_candidates"] {
            assert_eq!(line.pointer(path), whole.pointer(path), "{path}");
        }
    }
    // Names of files stay those of the alerts, and what was left out is not compared.
    consumer.fixture.ok(&["consume", "--no-group", "-e", "--rules", &few, "--save", "saved", "--as", "parquet"]);
    let saved = consumer.fixture.ok(&["consume", "--no-group", "-e", "--rules", &few, "--save", "single"]);
    assert_eq!(saved.stdout, "");
    let names: Vec<_> = std::fs::read_dir(consumer.fixture.path("single")).expect("a folder").collect();
    assert_eq!(names.iter().flatten().filter(|name| name.file_name().to_string_lossy().starts_with("ZTF")).count(), 12);
    // An alert has what each file selects.
    let fewer = rules("fewer.xml", &["candid", "candidate_magpsf", "candidate_jd"].map(column).concat());
    for line in consumer.lines(&["--no-group", "-e", "--rules", &few, "--rules", &fewer]) {
        assert_eq!(line.as_object().expect("an object").keys().collect::<Vec<_>>(), ["candid", "candidate"]);
    }
    let nothing = rules("nothing.xml", &column("cutoutScience"));
    let refused = consumer.fixture.run(&["consume", "--no-group", "-e", "--rules", &fewer, "--rules", &nothing]);
    refused.assert_stderr(2, &["--rules: no column is selected"]);
}

#[test]
fn a_choice_that_does_not_fit_is_refused() {
    let consumer = Consumer::new("misfits");
    consumer.send("ztf", "datum", "schema", 3);
    let run = |more: &[&str]| {
        let all: Vec<&str> = ["consume", "--no-group", "-e"].iter().chain(more).copied().collect();
        consumer.fixture.run(&all)
    };
    run(&["--where", "magpsf <"]).assert_stderr(2, &["--where, at character 9: a field or a value is expected"]);
    run(&["--where", "magpsff < 1"])
        .assert_stderr(2, &["at character 1: the alerts have no field `magpsff` (nearest: `candidate.magpsf`"]);
    run(&["--filter", "nothing:here"]).assert_stderr(2, &["nothing"]);
    run(&["--rules", "missing.xml"]).assert_stderr(2, &["missing.xml"]);
    std::fs::write(consumer.fixture.path("broken.py"), "def fails(magpsf):\n    raise ValueError('no')\n")
        .expect("a file");
    run(&["--filter", "broken:fails"]).assert_stderr(1, &["ValueError: no"]);
}
