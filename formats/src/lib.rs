//! Files that models come in: GGUF and safetensors.
//!
//! Headers are read without trusting one length in them, and written. Tensor data is never touched: a header says where it
//! is. The host uses this to tell what a model is, plugins to convert one. It knows nothing of either, and opens nothing
//! but what it is handed.

pub mod gguf;
pub mod safetensors;
