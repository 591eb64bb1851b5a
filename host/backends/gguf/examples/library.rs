//! The llama.cpp backend as a library: `cargo build --package inferno-backend-gguf --example inferno_gguf`.

inferno_backend::export_backend!(inferno_backend_gguf::Gguf);
