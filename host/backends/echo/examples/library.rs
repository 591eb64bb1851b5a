//! The echo backend as a library: `cargo build --package inferno-backend-echo --example inferno_echo`.

inferno_backend::export_backend!(inferno_backend_echo::Echo);
