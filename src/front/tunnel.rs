//! Tunnels: after an upgrade (WebSocket), bytes both ways until both sides have ended or both are
//! silent for too long. What either side sent together with its head comes first: the visitor's
//! wire keeps it, and hyper for the portal. A stop waits for tunnels until its deadline.

use super::body::{Body, Visit};
use super::connection::Guest;
use super::fields;
use super::forward::Errand;
use super::lasting::Lasting;
use super::wire::Wire;
use crate::upstream::ResponseBody;
use http::header::{CONNECTION, UPGRADE};
use http::{HeaderValue, Request, Response};
use hyper_util::rt::TokioIo;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::oneshot;

/// The one protocol that connections may become. A tunnel of requests (h2c) would go around the
/// room.
pub const WEBSOCKET: &str = "websocket";
/// Bytes that one direction buffers.
const BUFFER: usize = 8 * 1024;

/// A visitor's wire, as soon as hyper has let go of it. A request that offers to become a WebSocket
/// carries it.
#[derive(Clone)]
struct Coming(Arc<Mutex<Option<oneshot::Receiver<Wire>>>>);

/// `request` offers to become a WebSocket: it says so from here on, whatever else it offered.
/// Returns whom to send the wire to, should that be taken up.
pub fn offer<B>(request: &mut Request<B>) -> oneshot::Sender<Wire> {
    let (waits, wire) = oneshot::channel();
    let coming = Coming(Arc::new(Mutex::new(Some(wire))));
    let websocket = HeaderValue::from_static(WEBSOCKET);
    request.headers_mut().insert(UPGRADE, websocket);
    request.extensions_mut().insert(coming);
    waits
}

/// The wire that comes with `request`, if that offers to become a WebSocket.
pub fn wire_of<B>(request: &mut Request<B>) -> Option<oneshot::Receiver<Wire>> {
    let coming: Coming = request.extensions_mut().remove()?;
    let mut wire = coming.0.lock().unwrap_or_else(PoisonError::into_inner);
    wire.take()
}

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
    visitor: Option<oneshot::Receiver<Wire>>,
    lasting: Lasting,
) -> Response<Body> {
    let portal = hyper::upgrade::on(&mut response);
    let upgrade = response.headers().get(UPGRADE).cloned();
    let (mut parts, body) = response.into_parts();
    drop(body);
    fields::strip_answer(&mut parts.headers);
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
        let visitor = async { visitor?.await.ok() };
        if let (Some(visitor), Ok(portal)) = tokio::join!(visitor, portal) {
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
