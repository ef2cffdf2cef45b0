//! Counters and gauges that are written where things happen.
//!
//! What rooms and portals know of themselves is read from them when the desk is asked; here is
//! only what would otherwise be forgotten. Handles are resolved once: counting on the way of a
//! request is one atomic addition.

use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
};

/// Seconds until the head of a portal's answer: the buckets.
const SECONDS: [f64; 12] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];

/// All of it.
pub struct Metrics {
    registry: Registry,
    /// Connections of visitors that are open.
    pub connections: IntGauge,
    /// Connections answered with words and closed, because as many as may be were open.
    pub connections_refused: IntCounter,
    /// Connections closed because they did not begin with the PROXY header that the listener wants.
    pub connections_unnamed: IntCounter,
    /// Tunnels (WebSocket) that are open.
    pub tunnels: IntGauge,
    /// Answers that last as long as their visitor stays (server-sent events).
    pub streams: IntGauge,
    /// Portals' 5xx answers that we gave words to.
    pub pages_given_words: IntCounter,
    /// Questions of balancers and monitors whether we serve.
    pub health_questions: IntCounter,
    /// Commits to the store.
    pub store_commits: IntCounter,
    /// Answers that did not wait for the store any longer.
    pub store_late: IntCounter,
    /// Commits that failed; they are tried again.
    pub store_errors: IntCounter,
    /// TLS to visitors.
    pub tls: TlsMeters,
    requests: IntCounterVec,
    refusals: IntCounterVec,
    cookies: IntCounterVec,
    fields: IntCounterVec,
    seconds: HistogramVec,
}

/// The counters of TLS to visitors.
pub struct TlsMeters {
    /// Handshakes from the beginning.
    pub full: IntCounter,
    /// Handshakes of visitors who came back.
    pub resumed: IntCounter,
    /// Handshakes not finished: no TLS, nothing in common, or given up.
    pub failed: IntCounter,
    /// Handshakes not finished in time.
    pub late: IntCounter,
    /// Changed certificates that were taken.
    pub taken: IntCounter,
    /// Changed certificates that were no good, so that the old ones were kept.
    pub kept: IntCounter,
}

/// The counters of one room.
pub struct RoomMeters {
    /// Forwarded for somebody inside.
    pub forwarded: IntCounter,
    /// Forwarded on an open path.
    pub open: IntCounter,
    /// Forwarded as the call of another server.
    pub back_channel: IntCounter,
    /// Given the waiting answer.
    pub waited: IntCounter,
    /// Seconds until the head of the portal's answer.
    pub seconds: Histogram,
}

impl Metrics {
    /// A registry of its own, with the process' own figures.
    ///
    /// # Panics
    /// If two series have the same name: a programming error that the tests see.
    pub fn new() -> Metrics {
        let registry = Registry::new();
        let process = prometheus::process_collector::ProcessCollector::for_self();
        register(&registry, process);
        let counter = |name, help| counter(&registry, name, help);
        let gauge = |name, help| gauge(&registry, name, help);
        let counters = |name, help, labels: &[&str]| counters(&registry, name, help, labels);
        Metrics {
            connections: gauge("preau_connections", "Connections of visitors"),
            connections_refused: counter(
                "preau_connections_refused_total",
                "Connections beyond `limits.connections`, answered and closed",
            ),
            connections_unnamed: counter(
                "preau_connections_unnamed_total",
                "Connections without the PROXY header that `listener.proxy_from` asks for, closed",
            ),
            tunnels: gauge("preau_tunnels", "Tunnels (WebSocket)"),
            streams: gauge("preau_event_streams", "Streams of events that hold no slot"),
            pages_given_words: counter(
                "preau_error_pages_total",
                "Portal answers of 5xx that got a page with words in their place",
            ),
            health_questions: counter(
                "preau_health_questions_total",
                "Questions at /.preau/health, which are not in the access log",
            ),
            store_commits: counter("preau_store_commits_total", "Commits to the store"),
            store_late: counter(
                "preau_store_late_total",
                "Answers that did not wait for the store any longer: a crash then may lose a place",
            ),
            store_errors: counter(
                "preau_store_errors_total",
                "Commits to the store that failed and are tried again",
            ),
            tls: TlsMeters::new(&registry),
            requests: counters(
                "preau_requests_total",
                "Requests by room and what was done",
                &["room", "outcome"],
            ),
            refusals: counters(
                "preau_refusals_total",
                "Requests refused, by reason",
                &["reason"],
            ),
            cookies: counters(
                "preau_cookies_rejected_total",
                "Cookies of ours that count as none, by reason",
                &["reason"],
            ),
            fields: counters(
                "preau_fields_dropped_total",
                "Fields of requests that were taken out, by reason",
                &["why"],
            ),
            seconds: seconds(&registry),
            registry,
        }
    }

    /// The counters of the room `name`.
    pub fn room(&self, name: &str) -> RoomMeters {
        let requests = |outcome| self.requests.with_label_values(&[name, outcome]);
        RoomMeters {
            forwarded: requests("forwarded"),
            open: requests("open"),
            back_channel: requests("back_channel"),
            waited: requests("waited"),
            seconds: self.seconds.with_label_values(&[name]),
        }
    }

    /// The counter of requests refused for `reason`.
    pub fn refusal(&self, reason: &str) -> IntCounter {
        self.refusals.with_label_values(&[reason])
    }

    /// The counter of cookies rejected for `reason`.
    pub fn cookie_rejected(&self, reason: &str) -> IntCounter {
        self.cookies.with_label_values(&[reason])
    }

    /// The counter of fields that were taken out because of `why`.
    pub fn field_dropped(&self, why: &str) -> IntCounter {
        self.fields.with_label_values(&[why])
    }

    /// Everything that was counted here.
    pub fn gather(&self) -> Vec<prometheus::proto::MetricFamily> {
        self.registry.gather()
    }
}

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics::new()
    }
}

impl TlsMeters {
    fn new(registry: &Registry) -> TlsMeters {
        let handshakes = counters(
            registry,
            "preau_tls_handshakes_total",
            "TLS handshakes, by what came of them",
            &["result"],
        );
        let reloads = counters(
            registry,
            "preau_certificate_reloads_total",
            "Changed certificates that were taken, or no good, so that the old one was kept",
            &["result"],
        );
        TlsMeters {
            full: handshakes.with_label_values(&["full"]),
            resumed: handshakes.with_label_values(&["resumed"]),
            failed: handshakes.with_label_values(&["failed"]),
            late: handshakes.with_label_values(&["late"]),
            taken: reloads.with_label_values(&["taken"]),
            kept: reloads.with_label_values(&["kept"]),
        }
    }
}

fn counter(registry: &Registry, name: &str, help: &str) -> IntCounter {
    let counter = IntCounter::new(name, help).expect("the name is valid");
    register(registry, counter.clone());
    counter
}

fn gauge(registry: &Registry, name: &str, help: &str) -> IntGauge {
    let gauge = IntGauge::new(name, help).expect("the name is valid");
    register(registry, gauge.clone());
    gauge
}

fn counters(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    let counters = IntCounterVec::new(Opts::new(name, help), labels).expect("the name is valid");
    register(registry, counters.clone());
    counters
}

fn seconds(registry: &Registry) -> HistogramVec {
    let options = HistogramOpts::new(
        "preau_portal_response_seconds",
        "From the request to the head of the portal's answer",
    );
    let seconds =
        HistogramVec::new(options.buckets(SECONDS.to_vec()), &["room"]).expect("the name is valid");
    register(registry, seconds.clone());
    seconds
}

fn register(registry: &Registry, collector: impl prometheus::core::Collector + 'static) {
    registry
        .register(Box::new(collector))
        .expect("each series is registered once");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_valid_and_registered_once() {
        let metrics = Metrics::new();
        metrics.room("ent").forwarded.inc();
        metrics.refusal("closed").inc();
        metrics.cookie_rejected("forged").inc();
        assert!(metrics.gather().len() > 8);
    }
}
