//! Tunnels: after an upgrade (WebSocket), bytes both ways until both sides have ended or both are
//! silent for too long. What either side sent together with its head comes first: hyper keeps it.
//! A stop waits for tunnels until its deadline.

use super::body::{Body, Visit};
use super::connection::Guest;
use super::fields;
use super::forward::Errand;
use super::lasting::Lasting;
use crate::upstream::ResponseBody;
use http::header::{CONNECTION, UPGRADE};
use http::{HeaderValue, Response};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// Bytes that one direction buffers.
const BUFFER: usize = 8 * 1024;

/// What a tunnel holds: it is still a connection, though hyper has let go of it, and the visit
/// lasts as long as it does.
struct Held {
    _lasting: Lasting,
    _guest: Guest,
    _visit: Option<Visit>,
}

/// Answers the upgrade, and carries the tunnel on its own task. The slot goes back at once: a
/// tunnel is no request.
pub fn open(
    mut errand: Errand<'_>,
    mut response: Response<ResponseBody>,
    visitor: OnUpgrade,
    lasting: Lasting,
) -> Response<Body> {
    let portal = hyper::upgrade::on(&mut response);
    let upgrade = response.headers().get(UPGRADE).cloned();
    let (mut parts, body) = response.into_parts();
    drop(body);
    fields::strip_hop_by_hop(&mut parts.headers, |_| false);
    crate::cookie::strip_response(&mut parts.headers);
    parts.extensions.clear();
    parts
        .headers
        .insert(CONNECTION, HeaderValue::from_static("upgrade"));
    if let Some(protocol) = upgrade {
        parts.headers.insert(UPGRADE, protocol);
    }
    let mut guest = Guest::new(errand.house.clone());
    guest.comes_from(errand.origin.address, errand.origin.proven);
    let held = Held {
        _lasting: lasting,
        _guest: guest,
        _visit: errand.visit.take(),
    };
    let idle = errand.house.config.limits.tunnel_idle.into();
    errand.tunnels.spawn(async move {
        // Either side may be gone before the tunnel exists: then there is none.
        if let (Ok(visitor), Ok(portal)) = tokio::join!(visitor, portal) {
            carry(TokioIo::new(visitor), TokioIo::new(portal), idle).await;
        }
        drop(held);
    });
    Response::from_parts(parts, Body::ours(""))
}

/// Copies both ways, with half-close, until both have ended or nothing moves for `idle`.
async fn carry<A, B>(visitor: A, portal: B, idle: Duration)
where
    A: AsyncRead + AsyncWrite,
    B: AsyncRead + AsyncWrite,
{
    let (from_visitor, to_visitor) = tokio::io::split(visitor);
    let (from_portal, to_portal) = tokio::io::split(portal);
    let moved = Arc::new(AtomicU64::new(0));
    let both = async {
        let up = pump(from_visitor, to_portal, &moved);
        let down = pump(from_portal, to_visitor, &moved);
        let _ = tokio::try_join!(up, down);
    };
    tokio::select! {
        () = both => {}
        () = silence(&moved, idle) => {}
    }
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    moved: &AtomicU64,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer[..read]).await?;
        to.flush().await?;
        moved.fetch_add(1, Ordering::Relaxed);
    }
}

/// Ends when nothing has moved for between one and two times `idle`.
async fn silence(moved: &AtomicU64, idle: Duration) {
    let mut seen = u64::MAX;
    loop {
        let now = moved.load(Ordering::Relaxed);
        if now == seen {
            return;
        }
        seen = now;
        tokio::time::sleep(idle).await;
    }
}
