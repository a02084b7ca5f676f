//! The notifier alone.

use std::sync::Arc;
use std::time::Duration;

use fink::config::{Endpoint, Secret};
use fink::notify::{Notice, Notifier, NotifyError, Totals};

use super::server::{Response, Server};

fn notifier(server: &Server) -> Notifier {
    let endpoint = Endpoint::parse(&server.url).expect("a URL");
    Notifier::start(&endpoint, Some(&Secret::new("xoxb-test".to_owned()))).expect("a notifier")
}

fn notices(channel: &str, count: usize) -> Vec<Arc<Notice>> {
    let notice = |number: usize| Notice {
        channel: channel.into(),
        object: format!("ZTF{number}"),
        ra: Some(1.5),
        dec: Some(-2.25),
        class: channel.to_uppercase(),
    };
    (0..count).map(|number| Arc::new(notice(number))).collect()
}

fn totals(announced: u64, messages: u64, dropped: u64) -> Totals {
    Totals { announced, messages, dropped }
}

#[test]
fn a_message_says_who_what_and_where_and_proves_itself() {
    let server = Server::start(&[Response::Posted]);
    let notifier = notifier(&server);
    notifier.enqueue(notices("qso", 1));
    assert_eq!(notifier.shut_down(Duration::from_secs(5)), totals(1, 1, 0));
    let request = &server.requests()[0];
    assert_eq!((request.channel.as_str(), request.sender.as_str()), ("#qso", "fink-alert"));
    assert!(request.text.contains("| ZTF0     | 1.5          | -2.25         | QSO  |"), "{}", request.text);
    let head = request.head.to_lowercase();
    assert!(
        head.starts_with("post /api/chat.postmessage ") && head.contains("authorization: bearer xoxb-test"),
        "{head}"
    );
    assert!(head.contains("content-type: application/json; charset=utf-8"), "{head}");
}

#[test]
fn a_channel_gets_one_message_a_second_of_twenty_rows_at_most() {
    let server = Server::start(&[Response::Posted]);
    let notifier = notifier(&server);
    notifier.enqueue(notices("qso", 45));
    notifier.enqueue(notices("eb", 1));
    let requests = server.wait_for(4);
    assert_eq!(notifier.shut_down(Duration::from_secs(5)), totals(46, 4, 0));
    let of = |channel: &str| requests.iter().filter(|r| r.channel == channel).cloned().collect::<Vec<_>>();
    let rows: Vec<usize> = of("#qso").iter().map(|request| request.text.matches("ZTF").count()).collect();
    assert_eq!((rows, of("#eb").len()), (vec![20, 20, 5], 1));
    for pair in of("#qso").windows(2) {
        let pause = pair[1].at.duration_since(pair[0].at);
        assert!(pause >= Duration::from_millis(990), "{pause:?}");
    }
}

/// Notices whose texts are as long as they can be, and longer once they are escaped.
fn long_notices(count: usize) -> Vec<Arc<Notice>> {
    let notice = |number: usize| Notice {
        channel: "qso".into(),
        object: format!("<{number:03}>{}", "&".repeat(60)),
        ra: Some(f64::MIN_POSITIVE),
        dec: Some(-f64::MAX),
        class: "<>&".repeat(30),
    };
    (0..count).map(|number| Arc::new(notice(number))).collect()
}

/// The numbers of the notices in the messages that were posted.
fn posted(server: &Server) -> Vec<usize> {
    let requests = server.requests();
    let texts = requests.iter().filter(|request| request.is_posted).flat_map(|request| request.text.lines());
    texts.filter_map(|line| line.strip_prefix("| &lt;")?.get(..3)?.parse().ok()).collect()
}

#[test]
fn a_long_table_is_cut_so_that_slack_takes_it() {
    let server = Server::start(&[Response::UpTo(4000)]);
    let notifier = notifier(&server);
    notifier.enqueue(long_notices(9));
    let requests = server.wait_for(2);
    assert_eq!(notifier.shut_down(Duration::from_secs(10)).announced, 9);
    assert_eq!(posted(&server), (0..9).collect::<Vec<_>>());
    assert!(requests.iter().all(|request| request.text.len() <= 4000), "{requests:?}");
}

#[test]
fn a_message_that_slack_finds_too_long_is_divided() {
    let server = Server::start(&[Response::UpTo(500)]);
    let notifier = notifier(&server);
    let mut short: Vec<Arc<Notice>> = notices("qso", 8);
    for (number, notice) in short.iter_mut().enumerate() {
        Arc::make_mut(notice).object = format!("<{number:03}>");
    }
    notifier.enqueue(short);
    server.wait_for(3);
    assert_eq!(notifier.shut_down(Duration::from_secs(10)), totals(8, 2, 0));
    assert_eq!(posted(&server), (0..8).collect::<Vec<_>>());
}

#[test]
fn an_alert_that_is_too_long_by_itself_is_dropped_and_the_next_is_sent() {
    let server = Server::start(&[Response::Error("msg_too_long"), Response::Posted]);
    let notifier = notifier(&server);
    notifier.enqueue(notices("qso", 1));
    server.wait_for(1);
    notifier.enqueue(notices("qso", 1));
    assert_eq!(notifier.shut_down(Duration::from_secs(10)), totals(1, 1, 1));
}

#[test]
fn a_pause_that_slack_requests_is_kept_and_nothing_is_lost() {
    let server = Server::start(&[Response::Status(429, Some(2)), Response::Error("ratelimited"), Response::Posted]);
    let notifier = notifier(&server);
    notifier.enqueue(notices("qso", 3));
    let requests = server.wait_for(2);
    let pause = requests[1].at.duration_since(requests[0].at);
    assert!(pause >= Duration::from_secs(2) && pause < Duration::from_secs(4), "{pause:?}");
    // Slack's other way to say so names no time: the notifier waits longer than the end allows.
    assert_eq!(notifier.shut_down(Duration::from_millis(500)), totals(0, 0, 3));
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn a_failing_server_is_retried_with_growing_backoff() {
    let server = Server::start(&[
        Response::Status(500, None),
        Response::Status(503, None),
        Response::Error("service_unavailable"),
        Response::Posted,
    ]);
    let notifier = notifier(&server);
    notifier.enqueue(notices("qso", 3));
    let requests = server.wait_for(4);
    assert_eq!(notifier.shut_down(Duration::from_secs(5)), totals(3, 1, 0));
    let pauses: Vec<u64> = requests.windows(2).map(|pair| pair[1].at.duration_since(pair[0].at).as_secs()).collect();
    assert_eq!(pauses, [1, 2, 4]);
}

#[test]
fn what_slack_refuses_is_counted_and_the_other_channels_go_on() {
    let server = Server::start(&[
        Response::Error("channel_not_found"),
        Response::Text("<html>a proxy's page</html>"),
        Response::Status(404, None),
        Response::Status(302, None),
        Response::Posted,
    ]);
    let notifier = notifier(&server);
    for (count, channel) in ["a", "b", "c", "d", "e"].into_iter().enumerate() {
        notifier.enqueue(notices(channel, 2));
        server.wait_for(count + 1);
    }
    assert_eq!(notifier.shut_down(Duration::from_secs(5)), totals(2, 1, 8));
}

#[test]
fn a_silent_server_delays_neither_the_caller_nor_the_end() {
    let server = Server::start(&[Response::Silence]);
    let notifier = notifier(&server);
    for _ in 0..100 {
        notifier.enqueue(notices("qso", 100));
    }
    server.wait_for(1);
    assert_eq!(notifier.shut_down(Duration::from_secs(1)), totals(0, 0, 10_000));
}

#[test]
fn an_unreachable_address_does_not_delay_the_end() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("an address");
    let endpoint = Endpoint::parse(&format!("http://{closed}/")).expect("a URL");
    let notifier = Notifier::start(&endpoint, Some(&Secret::new("xoxb-test".to_owned()))).expect("a notifier");
    notifier.enqueue(notices("qso", 7));
    assert_eq!(notifier.shut_down(Duration::from_millis(300)), totals(0, 0, 7));
}

#[test]
fn without_a_token_there_is_no_notifier() {
    let refused = Notifier::start(&Endpoint::slack(), None).err();
    assert!(matches!(refused, Some(NotifyError::NoToken)));
}
