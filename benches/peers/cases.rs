//! The cases, and how one of them is measured on one contestant.

use crate::Outcome;
use crate::client::{self, TlsVisitor};
use crate::contestants::{FULL, Who};
use crate::load::{self, Asked, Loaded};
use crate::process::Running;
use crate::stage::{self, Stage};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

/// Connections that are said to be idle have been so for this long.
const STAND: Duration = Duration::from_secs(4);

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A file of the origin, with a pass.
    Forwarded(&'static str),
    /// The JSON that a waiting page polls for; nginx has a file of that size.
    Poll,
    /// The waiting page; nginx has a file of that size.
    Page,
}

/// How it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// HTTP/1.1 on kept connections.
    Plain,
    /// The same under TLS 1.3.
    Tls,
    /// HTTP/2 under TLS 1.3.
    Http2,
    /// A new connection under TLS 1.3 for each request.
    Handshakes { resumed: bool },
    /// At half the pace of which HAProxy is capable.
    HalfLoad,
    /// Many connections that were used once.
    Idle,
}

/// What the figure of a case is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    /// CPU microseconds a request.
    Cpu,
    /// Microseconds to the answer that one request of a hundred exceeds.
    Slowest,
    /// KiB of memory a connection.
    Memory,
}

/// One case.
#[derive(Debug)]
pub struct Case {
    pub name: &'static str,
    pub target: Target,
    pub how: How,
    pub who: &'static [Who],
    pub aim: Aim,
}

/// What we want of our figure.
#[derive(Clone, Copy, Debug)]
pub enum Aim {
    /// At most this share of somebody else's in the same run.
    Share(f64, Who),
    /// At most this.
    Figure(f64),
}

/// What one measurement says.
pub struct Sample {
    pub figure: f64,
    /// The load, where there was one.
    pub loaded: Option<Loaded>,
    /// Memory at the end, in bytes.
    pub resident: u64,
}

const PROXIES: &[Who] = &[Who::Preau, Who::Haproxy, Who::HaproxyTcp, Who::Nginx];
const WITH_HTTP: &[Who] = &[Who::Preau, Who::Haproxy, Who::Nginx];
const WITH_FILES: &[Who] = &[Who::Preau, Who::Nginx];
const WITH_ORIGIN: &[Who] = &[
    Who::Preau,
    Who::Haproxy,
    Who::HaproxyTcp,
    Who::Nginx,
    Who::Origin,
];
const AS_HAPROXY: Aim = Aim::Share(1.0, Who::Haproxy);
const BELOW_NGINX: Aim = Aim::Share(0.65, Who::Nginx);
const FULL_HANDSHAKE: How = How::Handshakes { resumed: false };
const RESUMED: How = How::Handshakes { resumed: true };
const SMALL: Target = Target::Forwarded("1k");
const LARGE: Target = Target::Forwarded("100k");

/// All of them, in the order of the table.
pub const CASES: [Case; 12] = [
    case("forwarded, 1 KiB", SMALL, How::Plain, PROXIES, AS_HAPROXY),
    case("forwarded, 100 KiB", LARGE, How::Plain, PROXIES, AS_HAPROXY),
    case("TLS, 1 KiB", SMALL, How::Tls, PROXIES, AS_HAPROXY),
    case("TLS, 100 KiB", LARGE, How::Tls, PROXIES, AS_HAPROXY),
    case("HTTP/2, 1 KiB", SMALL, How::Http2, WITH_HTTP, AS_HAPROXY),
    case("HTTP/2, 100 KiB", LARGE, How::Http2, WITH_HTTP, AS_HAPROXY),
    case(
        "TLS, full handshake",
        SMALL,
        FULL_HANDSHAKE,
        PROXIES,
        AS_HAPROXY,
    ),
    case(
        "TLS, resumed handshake",
        SMALL,
        RESUMED,
        PROXIES,
        AS_HAPROXY,
    ),
    case(
        "waiting poll, JSON",
        Target::Poll,
        How::Plain,
        WITH_FILES,
        BELOW_NGINX,
    ),
    case(
        "waiting page",
        Target::Page,
        How::Plain,
        WITH_FILES,
        BELOW_NGINX,
    ),
    case(
        "half load, 1 KiB",
        SMALL,
        How::HalfLoad,
        WITH_ORIGIN,
        AS_HAPROXY,
    ),
    case(
        "idle connection",
        SMALL,
        How::Idle,
        PROXIES,
        Aim::Figure(4.0),
    ),
];

const fn case(name: &'static str, target: Target, how: How, who: &'static [Who], aim: Aim) -> Case {
    Case {
        name,
        target,
        how,
        who,
        aim,
    }
}

/// How hard to look.
#[derive(Clone, Copy)]
pub struct Effort {
    /// Seconds of load for one measurement.
    pub seconds: u64,
    /// Connections that stand idle.
    pub idle: u64,
    /// Requests a second at half load.
    pub half: f64,
}

impl Case {
    /// What its figure is.
    pub fn figure(&self) -> Figure {
        match self.how {
            How::HalfLoad => Figure::Slowest,
            How::Idle => Figure::Memory,
            _ => Figure::Cpu,
        }
    }

    /// Measures it on `who`, alone.
    ///
    /// # Errors
    /// When an answer is not what it should be.
    pub fn measure(&self, stage: &Stage, who: Who, effort: Effort) -> Outcome<Sample> {
        let running = stage.enter(who)?;
        let fields = self.fields(who, &running)?;
        if self.how == How::Idle {
            return self.idle(who, &running, &fields, effort.idle);
        }
        let tree = running.tree();
        let before = tree.cpu_nanos()?;
        let loaded = self.load(stage, who, &running, &fields, effort)?;
        let nanos = tree.cpu_nanos()? - before;
        let failed = if self.waits(who) {
            loaded.requests - loaded.failed
        } else {
            loaded.failed
        };
        if failed > 0 || loaded.requests == 0 {
            let (requests, who) = (loaded.requests, who.name());
            return Err(format!("{who}: {failed} of {requests} answers were wrong").into());
        }
        Ok(Sample {
            figure: match self.figure() {
                Figure::Slowest => loaded.p99,
                _ => nanos as f64 / 1e3 / loaded.requests as f64,
            },
            resident: tree.resident()?,
            loaded: Some(loaded),
        })
    }

    /// Has perf record ours under the load of this case.
    ///
    /// # Errors
    /// When perf is not there, or may not.
    pub fn record(&self, stage: &Stage, effort: Effort, record: &Path) -> Outcome<()> {
        let running = stage.enter(Who::Preau)?;
        let fields = self.fields(Who::Preau, &running)?;
        let seconds = effort.seconds.to_string();
        let mut perf = Command::new("perf")
            .args([
                "record",
                "--event=cpu-clock",
                "--freq=4000",
                "-g",
                "--output",
            ])
            .arg(record)
            .args([
                "--pid",
                &running.tree().0.to_string(),
                "--",
                "sleep",
                &seconds,
            ])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        self.load(stage, Who::Preau, &running, &fields, effort)?;
        match perf.wait()?.success() {
            true => Ok(()),
            false => Err("perf cannot record: see /proc/sys/kernel/perf_event_paranoid".into()),
        }
    }

    /// Whether `who` answers as to somebody who waits.
    fn waits(&self, who: Who) -> bool {
        who == Who::Preau && self.target == Target::Page
    }

    fn load(
        &self,
        stage: &Stage,
        who: Who,
        running: &Running,
        fields: &[String],
        effort: Effort,
    ) -> Outcome<Loaded> {
        let path = self.path(who);
        let (scheme, port) = match self.how {
            How::Plain | How::HalfLoad | How::Idle => ("http", running.ports.plain),
            How::Tls | How::Http2 | How::Handshakes { .. } => ("https", running.ports.tls),
        };
        let asked = Asked {
            url: format!("{scheme}://127.0.0.1:{port}{path}"),
            fields,
            seconds: effort.seconds,
        };
        let log = stage.path("requests");
        match self.how {
            How::Plain | How::Tls | How::Idle => load::wrk(&asked),
            How::Http2 => load::h2(&asked, &log),
            How::HalfLoad => load::paced(&asked, &log, effort.half),
            How::Handshakes { resumed } => {
                let visitor = TlsVisitor::new(stage.certificate(), resumed)?;
                let fields = as_lines(fields);
                visitor.visit(port, path, &fields, true)?;
                load::handshakes(&visitor, port, path, &fields, effort.seconds)
            }
        }
    }

    /// Many connections, each used once and then kept: what they hold.
    fn idle(&self, who: Who, running: &Running, fields: &[String], count: u64) -> Outcome<Sample> {
        let (port, fields) = (running.ports.plain, as_lines(fields));
        let mut kept = vec![client::connect(port)?];
        client::ask(&mut kept[0], self.path(who), &fields)?;
        let before = running.tree().resident()?;
        for _ in 0..count {
            let mut stream = client::connect(port)?;
            client::ask(&mut stream, self.path(who), &fields)?;
            kept.push(stream);
        }
        thread::sleep(STAND);
        let resident = running.tree().resident()?;
        Ok(Sample {
            figure: resident.saturating_sub(before) as f64 / 1024.0 / count as f64,
            loaded: None,
            resident,
        })
    }

    fn path(&self, who: Who) -> &'static str {
        match (self.target, who) {
            (Target::Forwarded("1k"), _) => "/1k",
            (Target::Forwarded(_), _) => "/100k",
            (Target::Poll, Who::Preau) => "/.preau/status",
            (Target::Page, Who::Preau) => "/",
            (Target::Poll, _) => "/static/poll",
            (Target::Page, _) => "/static/page",
        }
    }

    /// The fields of a request. Everybody gets as many bytes; only we know the cookie.
    fn fields(&self, who: Who, running: &Running) -> Outcome<Vec<String>> {
        let host = match self.target {
            Target::Forwarded(_) => "localhost",
            Target::Poll | Target::Page => FULL,
        };
        let cookie = match (who, self.target) {
            (Who::Preau, Target::Forwarded(_)) => stage::pass(running.ports.plain)?,
            (Who::Preau, _) => stage::ticket(running.ports.plain)?,
            _ => format!("preau-inside={}", "x".repeat(50)),
        };
        let mut fields = vec![format!("Cookie: {cookie}"), "Accept: text/html".to_owned()];
        if !matches!(self.how, How::Http2 | How::HalfLoad) {
            fields.push(format!("Host: {host}"));
        }
        Ok(fields)
    }
}

fn as_lines(fields: &[String]) -> String {
    fields.iter().map(|field| format!("{field}\r\n")).collect()
}
