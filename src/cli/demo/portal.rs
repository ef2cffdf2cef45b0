//! The sample portal: the web site of a school that really slows down and breaks when overrun.
//!
//! How it slows down is [`super::machine`], what it shows is [`super::pages`]; this file is the
//! server between them.

use super::machine::{Gauges, Machine, Outcome};
use super::pages::{NOT_FOUND, PAGES, Page, Pages, STYLE};
use super::sessions::{Sessions, form_value};
use crate::host;
use crate::time::Span;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, COOKIE, HeaderValue, LOCATION, SET_COOKIE};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinSet;

/// Connections held at once; more wait to be accepted.
pub const CONNECTIONS_MAX: usize = 4_096;
/// Bytes of a form that are read.
pub const FORM_BYTES_MAX: usize = 8 * 1024;

const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Work of one request, undisturbed: what is served from a file, the public page, a personal
/// page, and the dearest of all, the sign-on.
const FILE_COST: Span = Span(5);
const HOME_COST: Span = Span(30);
const PAGE_COST: Span = Span(200);
const SIGN_ON_COST: Span = Span(600);

type Answer = Response<Full<Bytes>>;

/// The portal; clones are handles on the same one.
#[derive(Clone)]
pub struct SamplePortal {
    shared: Arc<Shared>,
}

struct Shared {
    machine: Mutex<Machine<oneshot::Sender<Outcome>>>,
    /// Somebody came: the machine's next wake-up may have moved.
    came: Notify,
    sessions: Mutex<Sessions>,
    pages: Pages,
}

impl SamplePortal {
    /// A portal that nobody has visited yet.
    pub fn new() -> SamplePortal {
        SamplePortal {
            shared: Arc::new(Shared {
                machine: Mutex::new(Machine::new(host::now())),
                came: Notify::new(),
                sessions: Mutex::new(Sessions::default()),
                pages: Pages::new(),
            }),
        }
    }

    /// How the portal is doing.
    pub fn gauges(&self) -> Gauges {
        locked(&self.shared.machine).gauges()
    }

    /// Serves for ever; dropping the future closes every connection.
    pub async fn serve(&self, listener: TcpListener) {
        tokio::select! {
            () = accept(&self.shared, listener) => {}
            () = run_machine(&self.shared) => {}
        }
    }
}

impl Default for SamplePortal {
    fn default() -> SamplePortal {
        SamplePortal::new()
    }
}

async fn accept(shared: &Arc<Shared>, listener: TcpListener) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        if connections.len() >= CONNECTIONS_MAX {
            connections.join_next().await;
        }
        match listener.accept().await {
            Ok((stream, _)) => {
                connections.spawn(converse(shared.clone(), stream));
            }
            // Out of descriptors, most likely: those who leave give some back.
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

async fn converse(shared: Arc<Shared>, stream: TcpStream) {
    let service = service_fn(move |request| {
        let shared = shared.clone();
        async move { Ok::<_, Infallible>(shared.answer(request).await) }
    });
    // How a visitor goes away is the visitor's business.
    let _gone = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// Wakes the machine whenever a request ends.
async fn run_machine(shared: &Shared) {
    loop {
        let wake = locked(&shared.machine).wake();
        let rest = async {
            match wake {
                Some(at) => tokio::time::sleep(at.since(host::now()).into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = rest => {}
            () = shared.came.notified() => {}
        }
        release(locked(&shared.machine).advance(host::now()));
    }
}

fn release(ended: Vec<(oneshot::Sender<Outcome>, Outcome)>) {
    for (waiting, outcome) in ended {
        // A visitor who went away does not save the machine any work, as in life.
        let _ = waiting.send(outcome);
    }
}

impl Shared {
    async fn answer(&self, request: Request<Incoming>) -> Answer {
        match self.work(cost(&request)).await {
            Outcome::Done => self.respond(request).await,
            // Bare and empty, like the real ones: this is what visitors must never see.
            Outcome::Failed => empty(StatusCode::SERVICE_UNAVAILABLE),
        }
    }

    async fn work(&self, cost: Span) -> Outcome {
        let (ended, end) = oneshot::channel();
        release(locked(&self.machine).arrive(host::now(), cost, ended));
        self.came.notify_one();
        end.await.unwrap_or(Outcome::Failed)
    }

    async fn respond(&self, request: Request<Incoming>) -> Answer {
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        match request.uri().path() {
            "/connexion" if request.method() == Method::POST => self.sign_on(request).await,
            _ if !is_read => empty(StatusCode::METHOD_NOT_ALLOWED),
            "/assets/style.css" => style(),
            "/deconnexion" => {
                let cookie = locked(&self.sessions).close(cookies(&request));
                redirect("/", Some(&cookie))
            }
            path => self.page(path, &request),
        }
    }

    async fn sign_on(&self, request: Request<Incoming>) -> Answer {
        let form = Limited::new(request.into_body(), FORM_BYTES_MAX);
        let Ok(form) = form.collect().await else {
            return empty(StatusCode::PAYLOAD_TOO_LARGE);
        };
        let name = form_value(&form.to_bytes(), "prenom").unwrap_or_default();
        let cookie = locked(&self.sessions).open(&name);
        redirect("/espace", Some(&cookie))
    }

    fn page(&self, path: &str, request: &Request<Incoming>) -> Answer {
        let sessions = locked(&self.sessions);
        let name = sessions.name(cookies(request));
        match PAGES.iter().find(|page| page.path == path) {
            Some(page) if page.personal && name.is_none() => redirect("/connexion", None),
            Some(page) => self.html(StatusCode::OK, page, name),
            None => self.html(StatusCode::NOT_FOUND, &NOT_FOUND, name),
        }
    }

    fn html(&self, status: StatusCode, page: &Page, name: Option<&str>) -> Answer {
        let mut answer = Response::new(Full::new(self.pages.render(page, name)));
        *answer.status_mut() = status;
        let headers = answer.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        );
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
        answer
    }
}

fn cost(request: &Request<Incoming>) -> Span {
    match request.uri().path() {
        "/" => HOME_COST,
        "/connexion" if request.method() == Method::POST => SIGN_ON_COST,
        path if PAGES.iter().any(|page| page.path == path) => PAGE_COST,
        _ => FILE_COST,
    }
}

fn cookies(request: &Request<Incoming>) -> Option<&str> {
    request.headers().get(COOKIE)?.to_str().ok()
}

fn style() -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from_static(STYLE.as_bytes())));
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/css"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("max-age=3600"));
    answer
}

fn redirect(to: &'static str, cookie: Option<&str>) -> Answer {
    let mut answer = empty(StatusCode::SEE_OTHER);
    answer
        .headers_mut()
        .insert(LOCATION, HeaderValue::from_static(to));
    if let Some(cookie) = cookie {
        let cookie = HeaderValue::from_str(cookie).expect("our cookies are plain ASCII");
        answer.headers_mut().insert(SET_COOKIE, cookie);
    }
    answer
}

fn empty(status: StatusCode) -> Answer {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = status;
    answer
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .expect("nothing panics while it holds this lock")
}

#[cfg(test)]
mod tests {
    use super::super::client::{Accept, Client};
    use super::*;

    /// A portal on a port of its own, until the set is dropped.
    async fn open_portal() -> (Client, SamplePortal, JoinSet<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = Client::new(listener.local_addr().unwrap());
        let portal = SamplePortal::new();
        let mut tasks = JoinSet::new();
        let handle = portal.clone();
        tasks.spawn(async move { handle.serve(listener).await });
        (client, portal, tasks)
    }

    #[tokio::test]
    async fn personal_pages_need_a_sign_on() {
        let (mut client, portal, _tasks) = open_portal().await;
        let answer = client.get("/notes", Accept::Page).await.unwrap();
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
        assert_eq!(answer.location.as_deref(), Some("/connexion"));

        let form = "prenom=%3Cb%3EZo%C3%A9&motdepasse=x".to_owned();
        let answer = client.post("/connexion", form).await.unwrap();
        assert_eq!(answer.location.as_deref(), Some("/espace"));
        let page = client.get("/espace", Accept::Page).await.unwrap();
        let page = String::from_utf8(page.body.to_vec()).unwrap();
        assert!(page.contains("Bonjour &lt;b&gt;Zoé"), "{page}");

        client.get("/deconnexion", Accept::Page).await.unwrap();
        let answer = client.get("/espace", Accept::Page).await.unwrap();
        assert_eq!(answer.location.as_deref(), Some("/connexion"));
        assert_eq!((portal.gauges().done, portal.gauges().failed), (5, 0));
    }

    #[tokio::test]
    async fn work_takes_its_time() {
        let (mut client, portal, _tasks) = open_portal().await;
        let start = host::now();
        client.get("/connexion", Accept::Page).await.unwrap();
        let took = host::now().since(start);
        assert!(took >= PAGE_COST, "{took:?}");
        assert_eq!(portal.gauges().in_flight, 0);
    }

    #[tokio::test]
    async fn what_is_not_there_says_so() {
        let (mut client, _portal, _tasks) = open_portal().await;
        let answer = client.get("/rien", Accept::Page).await.unwrap();
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
        let answer = client.post("/notes", String::new()).await.unwrap();
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
        let form = format!("prenom={}", "a".repeat(FORM_BYTES_MAX));
        let answer = client.post("/connexion", form).await.unwrap();
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
        let answer = client.get("/assets/style.css", Accept::Page).await.unwrap();
        assert_eq!(answer.body, STYLE.as_bytes());
    }
}
