//! A browser as far as the pages need one: it keeps cookies, and says where a request comes from.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::ACCEPT;
use crate::support::gateway::Gateway;
use crate::support::http_client::{Answer, Request};

/// A browser in which one person opens pages.
pub struct Browser {
    address: SocketAddr,
    cookies: RefCell<BTreeMap<String, String>>,
}

impl Browser {
    pub fn of(gateway: &Gateway) -> Self {
        Self::at(gateway.address)
    }

    /// One that opens the pages of a program.
    pub fn at(address: SocketAddr) -> Self {
        Self { address, cookies: RefCell::default() }
    }

    /// A browser in which somebody has signed in.
    pub fn signed_in(gateway: &Gateway, token: &str) -> Self {
        let browser = Self::of(gateway);
        let answer = browser.sign_in(token, "/");
        assert_eq!((answer.status, answer.header("location")), (303, Some("/")), "{answer:?}");
        browser
    }

    /// The cookies, as they are sent.
    pub fn cookies(&self) -> String {
        let cookies = self.cookies.borrow();
        cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    /// The value of the only cookie.
    pub fn cookie(&self) -> String {
        let cookies = self.cookies.borrow();
        assert_eq!(cookies.len(), 1, "{cookies:?}");
        cookies.values().next().unwrap().clone()
    }

    /// Sets a cookie, as somebody else may have.
    pub fn plant(&self, name: &str, value: &str) {
        self.cookies.borrow_mut().insert(name.to_owned(), value.to_owned());
    }

    /// A request with the cookies and nothing else.
    pub fn request(&self, method: &str, path: &str) -> Request {
        let request = Request::new(self.address, method, path);
        let cookies = self.cookies();
        if cookies.is_empty() { request } else { request.header("Cookie", &cookies) }
    }

    /// Opens an address, typed in.
    pub fn open(&self, path: &str) -> Answer {
        self.open_from("none", path)
    }

    /// Opens an address by a link on another site, on our own, or typed in.
    pub fn open_from(&self, site: &str, path: &str) -> Answer {
        let request = self.request("GET", path).header("Accept", ACCEPT);
        self.learn(request.header("Sec-Fetch-Mode", "navigate").header("Sec-Fetch-Site", site).send())
    }

    /// Loads a picture of a page of `site`.
    pub fn load(&self, site: &str, path: &str) -> Answer {
        let request = self.request("GET", path).header("Accept", "image/avif,image/webp,*/*;q=0.8");
        self.learn(request.header("Sec-Fetch-Mode", "no-cors").header("Sec-Fetch-Site", site).send())
    }

    /// Sends a form of one of our own pages.
    pub fn submit(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.submit_from(&[("Sec-Fetch-Site", "same-origin")], path, fields)
    }

    /// Sends a form with these headers, which tell whose it is.
    pub fn submit_from(&self, headers: &[(&str, &str)], path: &str, fields: &[(&str, &str)]) -> Answer {
        let mut request = self.request("POST", path).header("Accept", ACCEPT);
        request = request.header("Sec-Fetch-Mode", "navigate");
        request = request.header("Content-Type", "application/x-www-form-urlencoded");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.learn(request.body(body.into_bytes()).send())
    }

    pub fn sign_in(&self, token: &str, to: &str) -> Answer {
        self.submit("/-/sign_in", &[("token", token), ("to", to)])
    }

    /// Keeps the cookies of an answer.
    fn learn(&self, answer: Answer) -> Answer {
        for (name, line) in &answer.headers {
            if name != "set-cookie" {
                continue;
            }
            let (pair, rest) = line.split_once("; ").unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            if rest.contains("Max-Age=0") {
                self.cookies.borrow_mut().remove(name);
            } else {
                self.plant(name, value);
            }
        }
        answer
    }
}

/// The name that a page shows of who is signed in.
pub fn name(answer: &Answer) -> Option<&str> {
    answer.text().split("/-/sessions\">").nth(1)?.split('<').next()
}
