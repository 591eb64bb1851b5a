//! Conversion of models: between Hugging Face folders, GGUF, safetensors and ONNX.
//!
//! A route makes a [`plan`] of what it finds: which files come out, and where each number in them comes from. One engine
//! carries out every plan, piece by piece, so that memory does not grow with the model.

pub mod plan;
