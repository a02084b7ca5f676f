//! What the page's server answers. Every address begins with a random token, which only the user has.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use openssl::memcmp;

use super::document::{Document, file_name};
use super::list::list;
use super::page;
use super::store::{AlertStore, StoredAlert};
use crate::alert::decoder::BytesFormat;
use crate::http_server::{Request, Response, is_host};

const JSON: &str = "application/json";
/// Bytes of the token.
const TOKEN_BYTES: usize = 16;

/// A random token: 128 bits, as hexadecimal digits.
///
/// # Errors
/// The system has no random numbers.
pub fn random_token() -> Result<String, openssl::error::ErrorStack> {
    let mut bytes = [0; TOKEN_BYTES];
    openssl::rand::rand_bytes(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Compares in a time that does not depend on where they differ.
fn is_equal(one: &str, other: &str) -> bool {
    one.len() == other.len() && memcmp::eq(one.as_bytes(), other.as_bytes())
}

fn unknown() -> Response {
    Response::error(404, "no such page: use the whole address that `fink view` prints")
}

/// Answers requests about the alerts of a store.
#[derive(Debug)]
pub struct Pages {
    /// the alerts
    pub store: Arc<AlertStore>,
    /// what each path begins with
    pub token: String,
    /// the server's address
    pub address: SocketAddr,
    /// whether further alerts come
    pub is_live: bool,
    /// a path that leads to the page once: a browser's command line, which every user of the machine can read, must not hold the token
    pub entry: Mutex<Option<String>>,
}

impl Pages {
    /// The address of the page.
    pub fn url(&self) -> String {
        format!("http://{}/{}/", self.address, self.token)
    }

    /// An address that leads to the page once.
    pub fn entry_url(&self) -> Option<String> {
        let entry = self.entry.lock().unwrap_or_else(PoisonError::into_inner);
        entry.as_ref().map(|entry| format!("http://{}/{entry}", self.address))
    }

    /// Leads a browser from the entry to the page, once.
    fn enter(&self, token: &str) -> Option<Response> {
        let mut entry = self.entry.lock().unwrap_or_else(PoisonError::into_inner);
        entry.take_if(|entry| is_equal(entry, token))?;
        let headers = vec![("Location", format!("/{}/", self.token))];
        Some(Response { headers, ..Response::error(303, "the page is elsewhere") })
    }

    /// Answers a request.
    pub fn answer(&self, request: &Request) -> Response {
        if !is_host(&request.host, self.address) {
            return Response::error(403, "this page is read at the address that `fink view` prints");
        }
        let mut parts = request.path.splitn(3, '/').skip(1);
        let (token, path) = (parts.next().unwrap_or_default(), parts.next());
        let mut response = match path {
            Some(path) if is_equal(token, &self.token) => self.page(path, request),
            Some(_) => unknown(),
            None => self.enter(token).unwrap_or_else(unknown),
        };
        response.headers.push(("Cross-Origin-Resource-Policy", "same-origin".to_owned()));
        response.headers.push(("Cross-Origin-Opener-Policy", "same-origin".to_owned()));
        if !response.headers.iter().any(|(name, _)| *name == "Content-Security-Policy") {
            response
                .headers
                .push(("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox".to_owned()));
        }
        response
    }

    fn page(&self, path: &str, request: &Request) -> Response {
        let mut parts = path.split('/');
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(""), None, None, None) => {
                let page = page::served();
                let headers = vec![("Content-Security-Policy", page.policy)];
                Response { headers, ..Response::ok("text/html; charset=utf-8", page.html.into_bytes()) }
            }
            (Some("alerts"), None, None, None) => self.alerts(request),
            (Some("alert"), Some(number), what, None) => {
                let Some(alert) = number.parse().ok().and_then(|number| self.store.get(number)) else {
                    return Response::error(404, "this alert is no longer kept");
                };
                self.alert(&alert, what.unwrap_or_default())
            }
            (Some("alert"), Some(number), Some("stamp"), Some(at)) => {
                let alert = number.parse().ok().and_then(|number| self.store.get(number));
                alert.and_then(|alert| self.stamp(&alert, at)).unwrap_or_else(|| Response::error(404, "no such stamp"))
            }
            _ => Response::error(404, "no such page"),
        }
    }

    fn alerts(&self, request: &Request) -> Response {
        let condition = request.parameter("where").unwrap_or_default();
        let after = request.parameter("after").and_then(|number| number.parse().ok()).unwrap_or(0);
        match list(&self.store, &condition, after) {
            Ok(mut list) => {
                list["live"] = self.is_live.into();
                Response::ok(JSON, list.to_string().into_bytes())
            }
            // Not an HTTP error: the browser would report that as a fault of the page.
            Err(reason) => Response::ok(JSON, serde_json::json!({"fault": reason}).to_string().into_bytes()),
        }
    }

    fn alert(&self, alert: &StoredAlert, what: &str) -> Response {
        let text = |bytes: BytesFormat| {
            let mut out = Vec::new();
            alert.decoder.json(&alert.datum, bytes, &mut out).map(|()| out)
        };
        let named = |response: Response, ending: &str| {
            let disposition = format!("attachment; filename=\"{}.{ending}\"", file_name(alert));
            Response { headers: vec![("Content-Disposition", disposition)], ..response }
        };
        let answer = match what {
            "" => Document::read(alert, &self.store)
                .map(|document| Response::ok(JSON, document.to_json(alert, false).to_string().into_bytes()))
                .map_err(|error| error.to_string()),
            "fields" => {
                text(BytesFormat::Length).map(|text| Response::ok(JSON, text)).map_err(|error| error.to_string())
            }
            "json" => text(BytesFormat::Base64)
                .map(|text| named(Response::ok(JSON, text), "json"))
                .map_err(|error| error.to_string()),
            "avro" => {
                let mut file = Vec::new();
                let written = alert.decoder.container(&alert.datum, &mut file);
                written
                    .map(|()| named(Response::ok("application/octet-stream", file), "avro"))
                    .map_err(|error| error.to_string())
            }
            _ => return Response::error(404, "no such page"),
        };
        answer.unwrap_or_else(|reason| Response::error(500, &reason))
    }

    fn stamp(&self, alert: &StoredAlert, at: &str) -> Option<Response> {
        let document = Document::read(alert, &self.store).ok()?;
        let stamp = document.stamps.get(at.strip_suffix(".fits")?.parse::<usize>().ok()?)?;
        let name = format!("{}_{}.fits", file_name(alert), stamp.kind.name().to_lowercase());
        let disposition = format!("attachment; filename=\"{name}\"");
        let headers = vec![("Content-Disposition", disposition)];
        Some(Response { headers, ..Response::ok("application/fits", stamp.file.clone()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entry_leads_to_the_page_once() {
        let address = SocketAddr::new(std::net::Ipv4Addr::LOCALHOST.into(), 8080);
        let entry = Mutex::new(Some("entry".to_owned()));
        let store = Arc::new(AlertStore::new(1));
        let pages = Pages { store, token: "token".to_owned(), address, is_live: false, entry };
        let ask = |path: &str| {
            let request = Request { path: path.to_owned(), host: "127.0.0.1:8080".to_owned(), ..Request::default() };
            pages.answer(&request)
        };
        assert_eq!((ask("/entrx").status, ask("/entry/").status), (404, 404));
        let first = ask("/entry");
        assert_eq!(first.status, 303);
        assert!(first.headers.contains(&("Location", "/token/".to_owned())));
        assert_eq!((ask("/entry").status, ask("/token/").status), (404, 200));
    }
}
