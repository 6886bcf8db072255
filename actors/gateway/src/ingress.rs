//! The one port: HTTP and WebSocket.

pub mod admission;
pub mod auth;
pub mod limiter;
pub mod origin;
pub mod outbound;
pub mod peer;
pub mod principal;
pub mod websocket;
