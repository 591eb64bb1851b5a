//! Vectors and scores.

use super::answer::Usage;
use crate::Error;
use crate::bindings::inferno::host::inference as wit;

/// Vectors for texts.
#[derive(Clone, Debug, PartialEq)]
pub struct Embeddings {
    /// One vector of unit length for each input, in order.
    pub vectors: Vec<Vec<f32>>,
    /// What it took.
    pub usage: Usage,
}

/// Turns texts into vectors. The model must be able to embed.
pub fn embed(model: &str, inputs: &[String]) -> Result<Embeddings, Error> {
    let embeddings = wit::embed(model, inputs)?;
    Ok(Embeddings { vectors: embeddings.vectors(), usage: embeddings.usage().into() })
}

/// How well documents answer a query.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranking {
    /// One per document, in order; greater is better. Only scores of one model can be compared.
    pub scores: Vec<f32>,
    /// What it took.
    pub usage: Usage,
}

/// Scores documents. The model must be able to rank.
pub fn rank(model: &str, query: &str, documents: &[String]) -> Result<Ranking, Error> {
    let ranking = wit::rank(model, query, documents)?;
    Ok(Ranking { scores: ranking.scores(), usage: ranking.usage().into() })
}
