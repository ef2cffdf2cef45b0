//! A visitor: a browser's manners over real sockets, with a cookie jar.

use super::{Answer, Broken, Turns, send};
use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use serde::Deserialize;
use std::net::SocketAddr;
use std::time::Duration;

/// How long a visitor waits for a turn before the test calls the line stuck.
const TURN_PATIENCE: Duration = Duration::from_secs(120);

/// Somebody with a cookie jar. Every answer is looked at: a blank one ends the test.
pub struct Visitor {
    proxy: SocketAddr,
    name: String,
    room: String,
    jar: Vec<(String, String)>,
    /// Cookies beside those of the jar, as `name=value`: somebody else has set them.
    pub strange_cookies: Vec<String>,
    /// Sent with every request, beside what a browser sends.
    pub extra: Vec<(&'static str, String)>,
}

/// What came of knocking.
#[derive(Debug)]
pub enum Arrival {
    /// The portal has answered.
    Inside(Answer),
    /// There is a place in the line.
    Waiting(Status),
}

/// What `/.preau/status` says.
#[derive(Debug, Clone, Deserialize)]
pub struct Status {
    pub state: State,
    pub room: String,
    pub lane: Option<String>,
    pub position: Option<u64>,
    pub wait_seconds: Option<Range>,
    pub poll_after_seconds: Option<f64>,
    pub claim_seconds: Option<f64>,
    /// What the page shows.
    pub text: serde_json::Value,
}

/// Where a visitor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Waiting,
    Called,
    Inside,
    Outside,
    Closed,
}

/// A promise, in seconds.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Range {
    pub low: f64,
    pub high: f64,
}

impl Visitor {
    /// A visitor called `name` in the portal's log, who comes for `room`.
    pub fn new(proxy: SocketAddr, name: &str, room: &str) -> Visitor {
        Visitor {
            proxy,
            name: name.to_owned(),
            room: room.to_owned(),
            jar: Vec::new(),
            strange_cookies: Vec::new(),
            extra: Vec::new(),
        }
    }

    /// The visitor's name, as the portal logs it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Opens a page, as a browser does.
    pub async fn get(&mut self, path: &str) -> Answer {
        let answer = self.try_get(path).await;
        self.whole(path, answer)
    }

    /// The same, for those who expect that it may break.
    pub async fn try_get(&mut self, path: &str) -> Result<Answer, Broken> {
        let request = self.page(Method::GET, path);
        self.exchange(request, Bytes::new()).await
    }

    /// Sends a form.
    pub async fn post(&mut self, path: &str, form: &str) -> Answer {
        let request = self
            .page(Method::POST, path)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let answer = self.exchange(request, Bytes::from(form.to_owned())).await;
        self.whole(path, answer)
    }

    /// Sends bytes, as an upload.
    pub async fn upload(&mut self, path: &str, bytes: Bytes) -> Answer {
        let request = self
            .page(Method::POST, path)
            .header(header::CONTENT_TYPE, "application/octet-stream");
        let answer = self.exchange(request, bytes).await;
        self.whole(path, answer)
    }

    /// Asks as a script of a page or an app does: no page, JSON.
    pub async fn get_json(&mut self, path: &str) -> Answer {
        let request = self
            .request(Method::GET, path)
            .header(header::ACCEPT, "application/json")
            .header("sec-fetch-dest", "empty");
        let answer = self.exchange(request, Bytes::new()).await;
        self.whole(path, answer)
    }

    /// Asks once for its state.
    pub async fn poll(&mut self) -> Status {
        let path = format!("/.preau/status?room={}", self.room);
        let answer = self.get_json(&path).await;
        assert_eq!(answer.status, StatusCode::OK, "{}: {answer:?}", self.name);
        serde_json::from_slice(&answer.body)
            .unwrap_or_else(|error| panic!("{}: a status: {error}: {}", self.name, answer.text()))
    }

    /// Opens a guarded page for the first time and sees whether there is a line.
    pub async fn arrive(&mut self, path: &str) -> Arrival {
        let answer = self.get(path).await;
        if answer.status != StatusCode::SERVICE_UNAVAILABLE {
            return Arrival::Inside(answer);
        }
        Arrival::Waiting(self.poll().await)
    }

    /// Opens a guarded page; there must be room.
    pub async fn walk_in(&mut self, path: &str) -> Answer {
        match self.arrive(path).await {
            Arrival::Inside(answer) => answer,
            Arrival::Waiting(status) => panic!("{} should be inside: {status:?}", self.name),
        }
    }

    /// Opens a guarded page; there must be a line.
    pub async fn line_up(&mut self, path: &str) -> Status {
        match self.arrive(path).await {
            Arrival::Waiting(status) if status.state == State::Waiting => status,
            other => panic!("{} should be waiting: {other:?}", self.name),
        }
    }

    /// Polls when the server wants it, until the turn comes; `watch` sees each answer.
    /// `order` is this visitor's place in the order of arrival: nobody later may be called
    /// first, and the place never rises.
    pub async fn wait_for_turn(
        &mut self,
        turns: &Turns,
        order: u64,
        mut watch: impl FnMut(&Status),
    ) {
        let name = self.name.clone();
        let polls = async {
            let mut place = u64::MAX;
            loop {
                let latest = turns.latest();
                let status = self.poll().await;
                watch(&status);
                match status.state {
                    State::Called => return turns.called(order),
                    State::Waiting => turns.still_waiting(order, latest),
                    _ => panic!("{name} has lost the place: {status:?}"),
                }
                assert!(
                    status.place() <= place,
                    "{name}: was {place}, is {status:?}"
                );
                place = status.place();
                tokio::time::sleep(status.until_next_poll()).await;
            }
        };
        if tokio::time::timeout(TURN_PATIENCE, polls).await.is_err() {
            panic!("{name} was not called within {TURN_PATIENCE:?}");
        }
    }

    /// Signs on at the portal, once inside.
    pub async fn sign_on(&mut self) {
        let form = self.get("/connexion").await;
        assert_eq!(form.status, StatusCode::OK, "{}: {form:?}", self.name);
        let body = format!("prenom={}", self.name);
        let answer = self.post("/connexion", &body).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{answer:?}");
        let space = self.get("/espace").await;
        assert!(
            space.text().contains(&self.name),
            "{}: {space:?}",
            self.name
        );
    }

    /// Logs out, which frees the seat.
    pub async fn log_out(&mut self) {
        let answer = self.get("/deconnexion").await;
        assert_eq!(answer.status, StatusCode::OK, "{}: {answer:?}", self.name);
    }

    /// The value of a cookie in the jar.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        let mut jar = self.jar.iter();
        let (_, value) = jar.find(|(known, _)| known == name)?;
        Some(value)
    }

    /// The proxy's own cookie for this visitor's room: the ticket or the pass.
    pub fn our_cookie(&self) -> Option<&str> {
        self.cookie(&format!("preau-{}", self.room))
    }

    /// Puts a cookie into the jar, as an attacker or an accident would.
    pub fn put_cookie(&mut self, name: &str, value: &str) {
        self.jar.retain(|(known, _)| known != name);
        if !value.is_empty() {
            self.jar.push((name.to_owned(), value.to_owned()));
        }
    }

    /// A request with this visitor's cookies, without any `Accept`.
    pub fn request(&self, method: Method, path: &str) -> http::request::Builder {
        let jar = self
            .jar
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        let cookies: Vec<String> = self.strange_cookies.iter().cloned().chain(jar).collect();
        let mut builder = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, self.proxy.to_string())
            .header(header::USER_AGENT, &self.name);
        if !cookies.is_empty() {
            builder = builder.header(header::COOKIE, cookies.join("; "));
        }
        for (name, value) in &self.extra {
            builder = builder.header(*name, value);
        }
        builder
    }

    /// Sends a request built by [`Visitor::request`] and keeps the cookies of the answer.
    pub async fn exchange(
        &mut self,
        request: http::request::Builder,
        body: Bytes,
    ) -> Result<Answer, Broken> {
        let request = request.body(body).expect("the request is well-formed");
        let head = request.method() == Method::HEAD;
        let answer = send(self.proxy, request).await?;
        for cookie in answer.set_cookies() {
            self.keep_cookie(&String::from_utf8_lossy(&cookie));
        }
        if !head {
            answer.assert_words(&self.name);
        }
        Ok(answer)
    }

    fn page(&self, method: Method, path: &str) -> http::request::Builder {
        self.request(method, path)
            .header(header::ACCEPT, "text/html,application/xhtml+xml,*/*;q=0.8")
            .header(header::ACCEPT_LANGUAGE, "fr")
            .header("sec-fetch-dest", "document")
            .header("sec-fetch-mode", "navigate")
    }

    fn keep_cookie(&mut self, text: &str) {
        let mut parts = text.split(';');
        let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else {
            return;
        };
        let gone = parts.any(|attribute| {
            let attribute = attribute.trim().to_ascii_lowercase();
            attribute == "max-age=0" || attribute.contains("01 jan 1970")
        });
        self.put_cookie(name.trim(), if gone { "" } else { value.trim() });
    }

    fn whole(&self, path: &str, answer: Result<Answer, Broken>) -> Answer {
        answer.unwrap_or_else(|broken| panic!("{}: {path}: {broken:?}", self.name))
    }
}

impl Status {
    /// The interval that the server gives.
    pub fn until_next_poll(&self) -> Duration {
        Duration::from_secs_f64(self.poll_after_seconds.unwrap_or(1.0))
    }

    /// The place of somebody who has one.
    pub fn place(&self) -> u64 {
        self.position
            .unwrap_or_else(|| panic!("no place in {self:?}"))
    }
}
