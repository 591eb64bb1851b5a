//! The program as a whole: the real binary, real workers, a real plugin, and clients of every kind.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod backends;
mod bad_models;
mod bad_requests;
mod batches;
mod clients;
mod commands;
mod conversations;
mod convert;
mod convert_bytes;
mod convert_huggingface;
mod convert_onnx;
mod examples;
mod hostile;
mod jobs;
mod lifecycle;
mod load;
mod observed;
mod onnx;
mod pipeline;
mod pipeline_http;
mod plugins;
mod quick_start;
mod responses;
mod sdks;
mod sockets;
mod tapes;
mod templates;
mod ten_minutes;
mod tidy;
mod vision;
mod workers;
