//! The desk: metrics, health, and the state of the house as JSON, on a listener of its own.

mod advice;
mod series;
mod status;

pub use advice::{Advice, Answers, Lengths, Recommended, RoomAdvice, WouldWait};
pub use status::{
    FailingPart, HouseStatus, LaneStatus, MoveStatus, PortalStatus, Promises, Range, RoomStatus,
    ServerStatus,
};

use crate::front::House;
use crate::time::Millis;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use std::net::TcpListener;
use std::sync::Arc;
use tokio::sync::watch;

/// What the desk looks at.
pub struct Desk {
    /// The house.
    pub house: Arc<House>,
    /// When the proxy was started.
    pub began: Millis,
}

/// Serves the desk until told to stop.
pub async fn serve(listener: TcpListener, desk: Desk, mut stop: watch::Receiver<bool>) {
    let router = Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/api/v1/status", get(whole))
        .route("/api/v1/rooms", get(rooms))
        .route("/api/v1/advice", get(advise))
        .fallback(async || (StatusCode::NOT_FOUND, PLACES))
        .with_state(Arc::new(desk));
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "the desk cannot listen");
            return;
        }
    };
    let stopped = async move {
        let _ = stop.wait_for(|stop| *stop).await;
    };
    if let Err(error) = axum::serve(listener, router)
        .with_graceful_shutdown(stopped)
        .await
    {
        tracing::error!(%error, "the desk has ended");
    }
}

const PLACES: &str =
    "Here are /metrics, /healthz, /readyz, /api/v1/status, /api/v1/rooms and\n/api/v1/advice.\n";

async fn metrics(State(desk): State<Arc<Desk>>) -> impl IntoResponse {
    let kind = [
        (CONTENT_TYPE, prometheus::TEXT_FORMAT),
        (CACHE_CONTROL, "no-store"),
    ];
    match series::text(&desk) {
        Ok(text) => (StatusCode::OK, kind, text),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, kind, error.to_string()),
    }
}

/// Whether a load balancer should send visitors here.
async fn ready(State(desk): State<Arc<Desk>>) -> impl IntoResponse {
    if desk.house.is_draining() {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping\n")
    } else if !desk.house.written.works() {
        // Those who come are still served well; but whoever looks must know.
        (StatusCode::OK, "ready, but the store cannot be written\n")
    } else {
        (StatusCode::OK, "ready\n")
    }
}

async fn whole(State(desk): State<Arc<Desk>>) -> impl IntoResponse {
    Json(status::house(&desk))
}

async fn rooms(State(desk): State<Arc<Desk>>) -> impl IntoResponse {
    Json(status::rooms(&desk))
}

async fn advise(State(desk): State<Arc<Desk>>) -> impl IntoResponse {
    Json(advice::advice(&desk))
}
