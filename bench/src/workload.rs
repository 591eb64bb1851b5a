//! What both sides are asked to write.

/// Tokens per answer, unless the model ends it before.
pub(crate) const MAX_TOKENS: u32 = 128;

/// Beginnings of stories; each differs, so that no side can reuse another's work.
pub(crate) fn prompts() -> Vec<String> {
    let heroes = [
        "fox named Mia",
        "bear named Tom",
        "owl named Ada",
        "frog named Max",
        "deer named Ivy",
        "wolf named Leo",
        "crab named Zoe",
        "mole named Otto",
    ];
    heroes
        .iter()
        .map(|hero| format!("Once upon a time, there was a little {hero} who lived in the forest. One day,"))
        .collect()
}
