//! The ways in which numbers are packed: into blocks as GGUF files hold them, read and written byte for byte as ggml
//! does, which is where these formats come from, and [`mix`], which says what tensor gets which of them.
//!
//! Written bytes are those of ggml's reference functions on x86-64, where each operation on floats rounds on its own. It is
//! therefore the order of operations that counts: what runs in parallel here are sub-blocks, one in each [lane](lanes),
//! while the sums of a sub-block keep ggml's order. A processor that fuses multiplication and addition, as compilers like to
//! do for ARM, makes ggml itself differ in the last digits from what it writes elsewhere.

pub mod check;
pub mod decode;
pub mod encode;
mod encoding;
mod half;
mod lanes;
pub mod mix;
mod scales;

pub use encoding::Encoding;

#[cfg(test)]
mod tests;
