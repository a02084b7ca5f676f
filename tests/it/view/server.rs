//! The server of the page: who is answered, and what.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use super::{Viewer, simulate};
use crate::fixture::{Fixture, wait_until};

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

/// Waits until the file has something in it, and returns that.
fn wait_for(fixture: &Fixture, file: &str, words: &str) -> String {
    let read = || std::fs::read_to_string(fixture.path(file)).unwrap_or_default();
    wait_until(
        || format!("nothing about `{words}` in {file}: {}", read()),
        || Some(read()).filter(|text| text.contains(words)),
    )
}

#[test]
fn open_gives_the_browser_an_address_that_leads_to_the_page_once() {
    let fixture = Fixture::embedded("view_open");
    let folder = simulate(&fixture, "ztf", "2");
    // In the place of a browser, a program that notes the address.
    let programs = fixture.path("programs");
    std::fs::create_dir(&programs).expect("a folder");
    let browser = programs.join("xdg-open");
    std::fs::write(&browser, format!("#!/bin/sh\necho \"$@\" >{}\n", fixture.path("opened").display()))
        .expect("a file");
    std::fs::set_permissions(&browser, std::fs::Permissions::from_mode(0o755)).expect("a file");
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").expect("PATH"));
    let viewer = Viewer::start_with(&fixture, &[&folder, "--open"], &[("PATH", &path)]);
    let (address, token) = viewer.address_and_token();
    let opened = wait_for(&fixture, "opened", "\n");
    // Every user of the machine can read the command line of a browser.
    assert!(!opened.contains(token), "{opened}");
    let entry = opened.trim().strip_prefix(&format!("http://{address}")).expect("the server's address");
    let (head, _) = get(address, entry, address);
    assert!(head.starts_with("HTTP/1.1 303 ") && head.contains(&format!("Location: /{token}/")), "{head}");
    let (head, _) = get(address, entry, address);
    assert!(head.starts_with("HTTP/1.1 404 "), "{head}");
    assert!(get(address, &format!("/{token}/"), address).0.starts_with("HTTP/1.1 200 "));
}

#[test]
fn without_a_browser_the_page_is_served_all_the_same() {
    let fixture = Fixture::embedded("view_no_browser");
    let folder = simulate(&fixture, "ztf", "2");
    let viewer = Viewer::start_with(&fixture, &[&folder, "--open"], &[("PATH", "/nonexistent")]);
    wait_for(&fixture, "view.log", "no browser can be started");
    let (address, token) = viewer.address_and_token();
    assert!(get(address, &format!("/{token}/"), address).0.starts_with("HTTP/1.1 200 "));
}

#[test]
fn a_session_of_ssh_is_told_how_to_reach_the_page() {
    let fixture = Fixture::embedded("view_ssh");
    let folder = simulate(&fixture, "ztf", "2");
    let session = [("SSH_CONNECTION", "192.0.2.9 51234 198.51.100.7 22"), ("USER", "alice")];
    let viewer = Viewer::start_with(&fixture, &[&folder], &session);
    let port = viewer.address_and_token().0.rsplit(':').next().expect("a port").to_owned();
    wait_for(&fixture, "view.log", &format!("`ssh -N -L {port}:127.0.0.1:{port} alice@198.51.100.7`"));
    let local = Viewer::start_with(&fixture, &[&folder], &[]);
    assert!(!wait_for(&fixture, "view.log", "the page is served").contains("ssh"));
    drop(local);
}

#[test]
fn the_page_is_at_the_port_that_is_asked_for() {
    let fixture = Fixture::embedded("view_port");
    let folder = simulate(&fixture, "ztf", "2");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address");
    let port = address.port().to_string();
    let refused = fixture.run(&["view", &folder, "--port", &port]);
    refused.assert_stderr(1, &[&format!("cannot listen on {address}")]);
    drop(taken);
    let viewer = Viewer::start(&fixture, &[&folder, "--port", &port]);
    assert_eq!(viewer.address_and_token().0, address.to_string());
}
