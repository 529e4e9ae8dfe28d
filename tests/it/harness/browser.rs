//! Somebody's browser: it keeps the one cookie, follows links, sends forms.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderMap};

use super::app::{App, Granted, ORIGIN};
use super::{Client, Owner, Town};

/// A browser.
pub struct Browser {
    client: Client,
    cookie: Mutex<Option<String>>,
    /// Headers of each request.
    pub headers: HeaderMap,
}

/// What a browser shows.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The page.
    pub html: String,
}

impl Town {
    /// A browser in which nobody is signed in.
    pub fn browser(&self) -> Browser {
        Browser { client: self.visitor(), cookie: Mutex::default(), headers: HeaderMap::new() }
    }

    /// A browser in which somebody is signed in.
    pub async fn browser_of(&self, owner: &Owner) -> Browser {
        let browser = self.browser();
        browser.sign_in(owner).await;
        browser
    }
}

impl Browser {
    /// The cookie that it keeps.
    pub fn cookie(&self) -> Option<String> {
        self.cookie.lock().clone()
    }

    /// Plants a cookie.
    pub fn set_cookie(&self, cookie: Option<String>) {
        *self.cookie.lock() = cookie;
    }

    /// Opens a page, without following where it leads.
    pub async fn open(&self, path: &str) -> Shown {
        let request = self.client.request(Method::GET, path);
        self.send(path, request.header("sec-fetch-mode", "navigate")).await
    }

    /// Sends the form of a page that goes to `action`, with these fields filled in
    /// and those of no value left out.
    pub async fn submit(&self, page: &Shown, action: &str, fill: &[(&str, &str)]) -> Shown {
        let mut fields = page.form(action);
        for (name, value) in fill {
            if value.is_empty() {
                fields.remove(*name);
            } else {
                fields.insert((*name).to_owned(), (*value).to_owned());
            }
        }
        self.post(action, &fields).await
    }

    /// Sends any form from one of the server's own pages.
    pub async fn post(&self, path: &str, fields: &BTreeMap<String, String>) -> Shown {
        let body =
            url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = self
            .client
            .request(Method::POST, path)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header("origin", ORIGIN)
            .header("sec-fetch-site", "same-origin")
            .body(body);
        self.send(path, request).await
    }

    async fn send(&self, path: &str, request: reqwest::RequestBuilder) -> Shown {
        let mut request = request.headers(self.headers.clone()).header("user-agent", "Tester/1.0");
        if let Some(cookie) = &*self.cookie.lock() {
            request = request.header("cookie", cookie.clone());
        }
        let answer = self.client.send(path, request).await;
        if let Some(set) = answer.headers.get("set-cookie").and_then(|set| set.to_str().ok()) {
            let pair = set.split(';').next().unwrap_or_default().to_owned();
            *self.cookie.lock() = Some(pair);
        }
        let html = String::from_utf8_lossy(&answer.bytes).into_owned();
        Shown { status: answer.status.as_u16(), headers: answer.headers.clone(), html }
    }

    /// Signs somebody in.
    pub async fn sign_in(&self, owner: &Owner) {
        let page = self.open("/account/sign-in").await;
        let fill = [("identifier", &*owner.handle), ("password", &*owner.password)];
        let answer = self.submit(&page, "/account/sign-in", &fill).await;
        assert_eq!(answer.location(), "/account", "{}", answer.html);
    }

    /// Goes through a request up to the question whether somebody agrees.
    pub async fn up_to_consent(&self, path: &str, owner: &Owner) -> Shown {
        let page = self.open(path).await;
        if !page.says("action=\"/account/sign-in\"") {
            return page;
        }
        let fill = [("identifier", &*owner.handle), ("password", &*owner.password)];
        let answer = self.submit(&page, "/account/sign-in", &fill).await;
        assert_eq!(answer.status, 303, "{}", answer.html);
        self.open(answer.location()).await
    }

    /// Agrees to a request, and returns the code.
    pub async fn agree(&self, path: &str, owner: &Owner) -> String {
        let consent = self.up_to_consent(path, owner).await;
        let answer = self.submit(&consent, "/oauth/authorize", &[("decision", "allow")]).await;
        answer.sent_back()["code"].clone()
    }

    /// Goes through all of it.
    pub async fn grant(&self, app: &App, owner: &Owner, scope: &str) -> Granted {
        let path = app.push(scope, &[]).await;
        let code = self.agree(&path, owner).await;
        Granted::of(&app.redeem(&code).await)
    }
}

impl Shown {
    /// Where a redirection leads.
    #[track_caller]
    pub fn location(&self) -> &str {
        let location = self.headers.get("location").and_then(|value| value.to_str().ok());
        location.unwrap_or_else(|| panic!("{} leads nowhere: {}", self.status, self.html))
    }

    /// What an app gets back in the query or the fragment of its address.
    #[track_caller]
    pub fn sent_back(&self) -> BTreeMap<String, String> {
        assert_eq!(self.status, 303, "{}", self.html);
        let url = url::Url::parse(self.location()).expect("an address");
        let pairs = url.query().or(url.fragment()).unwrap_or_default().to_owned();
        url::form_urlencoded::parse(pairs.as_bytes()).into_owned().collect()
    }

    /// The fields of a form as they stand in the page: hidden ones, filled ones,
    /// ticked ones.
    #[track_caller]
    pub fn form(&self, action: &str) -> BTreeMap<String, String> {
        let begin = format!("action=\"{}\"", escaped(action));
        let form = self
            .html
            .split("<form ")
            .find(|form| form.split('>').next().is_some_and(|head| head.contains(&begin)));
        let form = form.unwrap_or_else(|| panic!("no form goes to {action}: {}", self.html));
        let form = form.split("</form>").next().unwrap_or_default();
        let inputs = form.split("<input ").skip(1).filter_map(|input| {
            let input = input.split('>').next()?;
            let ticks = attribute(input, "type").as_deref() == Some("checkbox");
            if ticks && !input.contains(" checked") {
                return None;
            }
            Some((attribute(input, "name")?, attribute(input, "value").unwrap_or_default()))
        });
        inputs.collect()
    }

    /// Whether the page says something.
    pub fn says(&self, text: &str) -> bool {
        self.html.contains(text)
    }
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let begin = format!("{name}=\"");
    let at = match tag.starts_with(&begin) {
        true => 0,
        false => tag.find(&format!(" {begin}"))? + 1,
    };
    let rest = &tag[at + begin.len()..];
    Some(plain(&rest[..rest.find('"')?]))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
}

fn plain(text: &str) -> String {
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
    text.replace("&amp;", "&")
}
