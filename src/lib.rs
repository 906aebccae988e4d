//! Durable writes for web dapps: what is submitted is backed up in IndexedDB, sent to a chain gateway, tracked to
//! finality, and readable at once.
//!
//! The core is a state machine without IO: [`cache::Cache`] takes inputs and gives outputs, time is an argument.
//! `browser` drives it in pages and workers; the simulator in `tests/simulation` is its other driver. ARCHITECTURE.md says
//! what is in which module.

pub mod backup;
#[cfg(target_family = "wasm")]
pub mod browser;
pub mod cache;
mod crc;
pub mod error;
pub mod follow;
pub mod gateway;
mod hex;
pub mod index;
pub mod log;
pub mod memory;
mod names;
pub mod nonces;
pub mod ordered;
pub mod outbox;
pub mod overlay;
pub mod portable;
pub mod record;
pub mod tags;
pub mod task;
