//! The ONNX backend as a library: `cargo build --package inferno-backend-onnx --example inferno_onnx`.

inferno_backend::export_backend!(inferno_backend_onnx::Onnx);
