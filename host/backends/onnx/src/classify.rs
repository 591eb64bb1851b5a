//! What logits say of a text.

use inferno_backend::Error;
use serde::Serialize;

/// How well a label fits.
#[derive(Debug, PartialEq, Serialize)]
struct Score<'a> {
    label: &'a str,
    score: f32,
}

/// A line of JSON: the labels and their probabilities, the likeliest first. `several`: more than one may be right.
pub(crate) fn line(logits: &[f32], labels: &[String], several: bool) -> Result<String, Error> {
    if labels.len() != logits.len() {
        return Err(Error::invalid(format!(
            "the graph tells {} labels apart, but config.json names {}",
            logits.len(),
            labels.len()
        )));
    }
    let scores = if several || logits.len() == 1 { logistic(logits) } else { softmax(logits) };
    let mut scores: Vec<Score<'_>> =
        labels.iter().zip(scores).map(|(label, score)| Score { label, score }).collect();
    scores.sort_by(|a, b| b.score.total_cmp(&a.score));
    let json = serde_json::to_string(&scores);
    json.map(|json| json + "\n").map_err(|error| Error::internal(format!("cannot write the labels: {error}")))
}

fn softmax(logits: &[f32]) -> Vec<f32> {
    let greatest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f64> = logits.iter().map(|&logit| f64::from(logit - greatest).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|power| (power / sum) as f32).collect()
}

fn logistic(logits: &[f32]) -> Vec<f32> {
    logits.iter().map(|&logit| (1.0 / (1.0 + f64::from(-logit).exp())) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn labels_come_likeliest_first() {
        let text = line(&[0.0, 2.0_f32.ln()], &labels(&["a", "b"]), false).unwrap();
        assert_eq!(text, "[{\"label\":\"b\",\"score\":0.6666667},{\"label\":\"a\",\"score\":0.33333334}]\n");
        let text = line(&[0.0, 0.0], &labels(&["a", "b"]), true).unwrap();
        assert_eq!(text, "[{\"label\":\"a\",\"score\":0.5},{\"label\":\"b\",\"score\":0.5}]\n");
        assert_eq!(line(&[0.0], &labels(&["a"]), false).unwrap(), "[{\"label\":\"a\",\"score\":0.5}]\n");
        assert!(
            line(&[1000.0, 0.0], &labels(&["a", "b"]), false)
                .unwrap()
                .starts_with("[{\"label\":\"a\",\"score\":1.0}")
        );
    }

    #[test]
    fn labels_that_do_not_fit_are_told() {
        let error = line(&[0.0, 0.0], &labels(&["a"]), false).unwrap_err();
        assert!(error.message.contains("2 labels apart, but config.json names 1"), "{error}");
    }
}
