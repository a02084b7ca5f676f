//! The server of the page: who is answered, and what.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::Value;

use super::{Viewer, simulate};
use crate::fixture::Fixture;

/// The head and the body of the answer to a request with this path and host.
fn get(address: &str, path: &str, host: &str) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(address).expect("a server");
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes()).expect("a request");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    let end = answer.windows(4).position(|part| part == b"\r\n\r\n").expect("a head");
    (String::from_utf8_lossy(&answer[..end]).into_owned(), answer[end + 4..].to_vec())
}

#[test]
fn a_stranger_without_the_token_or_of_another_site_gets_nothing() {
    let fixture = Fixture::embedded("view_strangers");
    let folder = simulate(&fixture, "ztf", "2");
    let viewer = Viewer::start(&fixture, &[&folder]);
    let (address, token) = viewer.address_and_token();
    assert!(address.starts_with("127.0.0.1:") && token.len() == 32, "{}", viewer.url);
    let other_token = "0".repeat(32);
    for path in [
        "/",
        "/alerts",
        "/alert/1",
        "/favicon.ico",
        &format!("/{other_token}/"),
        &format!("/{token}x/"),
        &format!("/{token}"),
    ] {
        let (head, body) = get(address, path, address);
        assert!(head.starts_with("HTTP/1.1 404 "), "{path}: {head}");
        assert!(!String::from_utf8_lossy(&body).contains("ZTF"), "{path}");
    }
    let port = address.rsplit(':').next().expect("a port");
    for host in ["evil.example", &format!("evil.example:{port}"), "", &format!("127.0.0.1.evil.example:{port}")] {
        let (head, _) = get(address, &format!("/{token}/"), host);
        assert!(head.starts_with("HTTP/1.1 403 "), "{host}: {head}");
    }
    let (head, _) = get(address, &format!("/{token}/"), &format!("localhost:{port}"));
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let policy = head.lines().find_map(|line| line.strip_prefix("Content-Security-Policy: ")).expect("a policy");
    assert!(
        policy.starts_with("default-src 'none'; script-src 'sha256-") && policy.contains("frame-ancestors 'none'"),
        "{policy}"
    );
    assert!(!policy.contains("unsafe"), "{policy}");
}

#[test]
fn alerts_stamps_and_whole_packets_are_given_out() {
    let fixture = Fixture::embedded("view_downloads");
    let folder = simulate(&fixture, "ztf", "3");
    let viewer = Viewer::start(&fixture, &[&folder]);
    let (address, token) = viewer.address_and_token();
    let page = |path: &str| get(address, &format!("/{token}/{path}"), address);
    let list: Value = serde_json::from_slice(&page("alerts").1).expect("JSON");
    let alerts = list["alerts"].as_array().expect("alerts");
    assert_eq!(alerts.len(), 3);
    assert!(alerts.windows(2).all(|pair| pair[0]["time"].as_i64() >= pair[1]["time"].as_i64()), "newest first: {list}");
    let fault: Value = serde_json::from_slice(&page("alerts?where=magpsf%20%3C").1).expect("JSON");
    assert!(fault["fault"].as_str().is_some_and(|fault| fault.starts_with("at character ")), "{fault}");
    let (head, stamp) = page("alert/1/stamp/0.fits");
    assert!(head.contains("Content-Type: application/fits") && stamp.starts_with(b"SIMPLE  ="), "{head}");
    let (head, avro) = page("alert/1/avro");
    assert!(head.contains("Content-Disposition: attachment; filename=\"ZTF"), "{head}");
    let name = fixture.path("again.avro");
    std::fs::write(&name, avro).expect("a file");
    assert_eq!(
        fixture.ok(&["view", name.to_str().expect("UTF-8"), "--terminal"]).stdout.lines().next(),
        alerts[2]["object"].as_str()
    );
    for path in ["alert/4", "alert/0", "alert/x", "alert/1/stamp/3.fits", "alert/1/stamp/x", "alert/1/other", "other"] {
        assert!(page(path).0.starts_with("HTTP/1.1 404 "), "{path}");
    }
}

#[test]
fn what_cannot_be_shown_is_said() {
    let fixture = Fixture::embedded("view_faults");
    let file = fixture.path("text.avro");
    std::fs::write(&file, "no alert").expect("a file");
    let file = file.to_str().expect("UTF-8");
    fixture.run(&["view", file]).assert_stderr(1, &["text.avro: no schema is known for it"]);
    fixture.run(&["view", "missing.avro"]).assert_stderr(2, &["missing.avro: no such file or folder"]);
    fixture.run(&["view", file, "some_topic"]).assert_stderr(2, &["files and topics cannot be shown together"]);
    let empty = fixture.path("empty");
    std::fs::create_dir(&empty).expect("a folder");
    fixture.run(&["view", empty.to_str().expect("UTF-8")]).assert_stderr(1, &["empty: no .avro file"]);
    let folder = simulate(&fixture, "ztf", "2");
    fixture
        .run(&["view", &folder, "--png", "x.png", "--alert", "7"])
        .assert_stderr(1, &["none of the 2 alerts has the id 7"]);
    fixture.run(&["view", &folder, "--terminal", "--where", "magpsf <"]).assert_stderr(2, &["at character "]);
    fixture.run(&["view", &folder, "--terminal", "--html", "x.html"]).assert_stderr(2, &["cannot be used with"]);
}
