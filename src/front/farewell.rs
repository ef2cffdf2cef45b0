//! Answers that end a connection, whole and ready: to what is not HTTP, what comes too slowly,
//! and whoever is one too many.
//!
//! In French: whoever hears them has not told us a language.

use super::page::{Lang, Outlook, Pages, RefusalKind, RefusalView};
use crate::metrics::Metrics;
use bytes::Bytes;
use prometheus::IntCounter;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};

/// Time to say an answer to somebody who is not served, and to hear that it was taken.
const SAY_MAX: Duration = Duration::from_secs(2);
/// Bytes read from somebody who is not served.
const HEAR_MAX: u64 = 64 * 1024;

/// Why a connection ends with words that no request's answer carries.
const KINDS: [RefusalKind; 8] = [
    RefusalKind::BadRequest,
    RefusalKind::PlainPort,
    RefusalKind::TlsPort,
    RefusalKind::TooSlow,
    RefusalKind::UriTooLong,
    RefusalKind::HeadersTooLarge,
    RefusalKind::NotImplemented,
    RefusalKind::TooManyConnections,
];

/// The answers.
pub struct Farewells(Vec<Farewell>);

struct Farewell {
    kind: RefusalKind,
    answer: Bytes,
    said: IntCounter,
}

impl Farewells {
    /// All of them; each is counted where it is said.
    pub fn new(pages: &Pages, metrics: &Metrics) -> Farewells {
        let farewells = KINDS.into_iter().map(|kind| Farewell {
            kind,
            answer: usual(pages, kind),
            said: metrics.refusal(kind.name()),
        });
        Farewells(farewells.collect())
    }

    /// The answer for `kind`, counted.
    pub fn say(&self, kind: RefusalKind) -> Bytes {
        let known = self.0.iter().find(|farewell| farewell.kind == kind);
        // The first is for whatever is not listed.
        let farewell = known.unwrap_or(&self.0[0]);
        farewell.said.inc();
        farewell.answer.clone()
    }

    /// The answer with this status line's number, if there is one; for bare answers of hyper's.
    pub fn say_status(&self, digits: &[u8]) -> Option<Bytes> {
        let with = |kind: &RefusalKind| kind.status().as_str().as_bytes() == digits;
        KINDS.into_iter().find(with).map(|kind| self.say(kind))
    }
}

/// Says `answer` over `stream`, once there is one, to somebody who is not served, and closes
/// softly.
pub async fn say<S>(stream: impl Future<Output = io::Result<S>>, answer: &[u8])
where
    S: AsyncRead + AsyncWrite,
{
    let said = async {
        let mut stream = std::pin::pin!(stream.await?);
        stream.write_all(answer).await?;
        stream.shutdown().await?;
        // To close with bytes unread would take the answer back (RFC 9112 §9.6).
        let mut rest = tokio::io::AsyncReadExt::take(stream, HEAR_MAX);
        tokio::io::copy(&mut rest, &mut tokio::io::sink()).await
    };
    let said: Result<io::Result<u64>, _> = tokio::time::timeout(SAY_MAX, said).await;
    if let Ok(Err(error)) = said {
        tracing::debug!(%error, "a farewell was not heard");
    }
}

fn usual(pages: &Pages, kind: RefusalKind) -> Bytes {
    let view = RefusalView {
        kind,
        retry_after_secs: kind.retry(),
        room: None,
        again: None,
        secure: None,
        outlook: Outlook::default(),
    };
    answer(pages, Lang::Fr, &view)
}

/// What `view` says, with a head of its own.
pub(super) fn answer(pages: &Pages, lang: Lang, view: &RefusalView<'_>) -> Bytes {
    let page = pages.refusal(lang, view);
    let (status, retry) = (view.kind.status(), view.retry_after_secs);
    let retry = retry.map(|secs| format!("retry-after: {secs}\r\n"));
    let mut answer = format!(
        "HTTP/1.1 {} {}\r\n{}content-type: text/html; charset=utf-8\r\ncontent-length: {}\r\n\
         cache-control: no-store\r\nconnection: close\r\n\r\n",
        status.as_u16(),
        status.canonical_reason().unwrap_or("Refused"),
        retry.unwrap_or_default(),
        page.len(),
    )
    .into_bytes();
    answer.extend_from_slice(&page);
    answer.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_an_answer_of_its_own_and_is_counted() {
        let metrics = Metrics::new();
        let farewells = Farewells::new(&Pages::new(), &metrics);
        for kind in KINDS {
            let answer = String::from_utf8(farewells.say(kind).to_vec()).unwrap();
            assert!(answer.starts_with(&format!("HTTP/1.1 {} ", kind.status().as_str())));
            assert!(answer.contains(kind.name()), "{answer}");
            assert_eq!(answer.contains("retry-after: "), kind.retry().is_some());
            assert_eq!(metrics.refusal(kind.name()).get(), 1);
        }
        assert!(farewells.say_status(b"431").is_some());
        assert!(farewells.say_status(b"418").is_none());
    }
}
