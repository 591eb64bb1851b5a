//! Looks at images: makes of them what the model reads, with llama.cpp's multimodal library and a projector.
//!
//! In the tokens of a prompt an image stands as so many tokens as it takes places in the cache. They are below zero, as
//! no token of a vocabulary is, and differ from those of every other image, so that prompts are compared by their tokens
//! alone.

use std::collections::{HashMap, VecDeque};
use std::path::Path;
use std::sync::Arc;

use inferno_backend::{Error, ErrorKind, Image};
use inferno_backend_text::too_long;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::mtmd::{
    MtmdBitmap, MtmdContext, MtmdContextParams, MtmdInputChunkType, MtmdInputChunks, MtmdInputText,
    mtmd_default_marker,
};
use llama_cpp_2::token::LlamaToken;
use sha2::{Digest, Sha256};

use crate::load::reason;
use crate::native::{self, Context};
use crate::picture;

/// Images of one request.
const MOST_IMAGES: usize = 64;
/// Images that are known again.
const REMEMBERED: usize = 4096;
/// The greatest token that stands for an image; the next ones are below it. llama.cpp has a meaning for -1.
const FIRST: i32 = -2;
/// Tokens that one piece of an image may have where they all look at one another, which only those of one decode can.
const MOST_AT_ONCE: u32 = 2048;
/// The room of prompts that are not going to be read.
pub(crate) const COUNTING: u32 = u32::MAX;

/// The eye of a model.
pub(crate) struct Vision {
    projector: MtmdContext,
    /// The projector looks into its vocabulary.
    _model: Arc<LlamaModel>,
    /// Bytes of the projector's file.
    bytes: u64,
    known: Known,
}

impl Vision {
    /// Opens a projector for this model.
    pub(crate) fn open(path: &Path, model: &Arc<LlamaModel>, threads: i32) -> Result<Self, Error> {
        let failed = |why: String| {
            Error::invalid(format!("cannot use the projector {}: {why}", path.display())).hint(
                "check that it was made for this model, or move it away to use the model without images",
            )
        };
        let read = std::fs::metadata(path).map_err(|error| {
            let kind = match error.kind() {
                std::io::ErrorKind::NotFound => ErrorKind::NotFound,
                _ => ErrorKind::Invalid,
            };
            Error::new(kind, format!("cannot read the projector {}: {error}", path.display()))
        })?;
        let name = path.to_str().ok_or_else(|| failed("its path is no Unicode".into()))?;
        let params = MtmdContextParams { n_threads: threads, print_timings: false, ..Default::default() };
        let (opened, log) = native::collect_errors(|| MtmdContext::init_from_file(name, model, &params));
        let projector = opened.map_err(|error| failed(reason(&log).unwrap_or_else(|| error.to_string())))?;
        if !projector.support_vision() {
            return Err(failed("it has no part that sees".into()));
        }
        Ok(Self { projector, _model: Arc::clone(model), bytes: read.len(), known: Known::default() })
    }

    /// Bytes that it takes, at least.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Tokens that must be decoded at once, where some must.
    pub(crate) fn at_once(&self) -> Option<u32> {
        self.projector.decode_use_non_causal().then_some(MOST_AT_ONCE)
    }

    /// Prepares the images of a request, as long as there is room for what they make; [`COUNTING`] keeps their tokens
    /// only.
    pub(crate) fn look(&mut self, images: &[Image], room: u32) -> Result<Vec<Picture>, Error> {
        if images.len() > MOST_IMAGES {
            let count = images.len();
            return Err(Error::invalid(format!(
                "there are {count} images, but a request can have at most {MOST_IMAGES}"
            )));
        }
        let mut pictures = Vec::with_capacity(images.len());
        let mut tokens = 0;
        for (number, image) in (1..).zip(images) {
            let mut picture = self.prepare(number, image)?;
            tokens += picture.tokens.len();
            // Each takes many times the memory of its file.
            if room == COUNTING {
                picture.chunks = None;
            } else if tokens >= room as usize {
                return Err(too_long(&format!("at least {tokens}"), room));
            }
            pictures.push(picture);
        }
        Ok(pictures)
    }

    fn prepare(&mut self, number: usize, Image(bytes): &Image) -> Result<Picture, Error> {
        let pixels = picture::decode(number, bytes)?;
        let unusable = |why: String| Error::invalid(format!("image {number} cannot be looked at: {why}"));
        let bitmap = MtmdBitmap::from_image_data(pixels.width(), pixels.height(), pixels.as_raw())
            .map_err(|error| unusable(error.to_string()))?;
        let text =
            MtmdInputText { text: mtmd_default_marker().into(), add_special: false, parse_special: true };
        let (chunks, log) = native::collect_errors(|| self.projector.tokenize(text, &[&bitmap]));
        let chunks = chunks.map_err(|error| unusable(reason(&log).unwrap_or_else(|| error.to_string())))?;
        let stand_in = LlamaToken(self.known.name(Sha256::digest(bytes).into()));
        let mut tokens = Vec::with_capacity(chunks.total_tokens());
        let mut firm = true;
        for chunk in (0..chunks.len()).filter_map(|index| chunks.get(index)) {
            firm = chunk.chunk_type() == MtmdInputChunkType::Text;
            match chunk.text_tokens() {
                Some(text) => tokens.extend(text),
                None => {
                    let count = chunk.n_tokens();
                    if self.at_once().is_some_and(|most| count > most as usize) {
                        return Err(unusable(format!(
                            "it makes {count} tokens, but at most {MOST_AT_ONCE} can be read at once"
                        )));
                    }
                    tokens.extend(std::iter::repeat_n(stand_in, count));
                }
            }
        }
        let positions = chunks.total_positions().unsigned_abs() as usize;
        Ok(Picture { chunks: Some(chunks), tokens, positions, firm })
    }

    /// Has the model read an image, behind so many positions of a sequence. What the sequence holds after a failure
    /// nobody knows.
    pub(crate) fn read(
        &mut self,
        picture: &Picture,
        context: &mut Context,
        sequence: i32,
        behind: i32,
    ) -> Result<(), Error> {
        let most = i32::try_from(context.n_ubatch()).unwrap_or(i32::MAX);
        let chunks = picture.chunks.as_ref();
        let chunks = chunks.ok_or_else(|| Error::internal("an image was counted that is to be read"))?;
        let (read, log) = native::collect_errors(|| {
            chunks.eval_chunks(&mut self.projector, context, behind, sequence, most, false)
        });
        match read {
            Ok(_) => Ok(()),
            Err(error) => {
                let why = reason(&log).unwrap_or_else(|| error.to_string());
                Err(Error::internal(format!("llama.cpp could not read an image: {why}")))
            }
        }
    }
}

/// An image that is ready to be read.
#[derive(Debug)]
pub(crate) struct Picture {
    /// Absent where it is only counted.
    chunks: Option<MtmdInputChunks>,
    /// What stands for it among the tokens of a prompt, with the tokens that enclose it.
    pub(crate) tokens: Vec<LlamaToken>,
    /// How far it moves what comes behind it. Models whose positions have several dimensions count fewer than tokens.
    pub(crate) positions: usize,
    /// It ends in a token, behind which another text can go on.
    firm: bool,
}

/// An image in its place among the tokens of a prompt.
#[derive(Debug)]
pub(crate) struct Placed {
    /// Where it begins.
    pub(crate) at: usize,
    pub(crate) picture: Picture,
}

impl Placed {
    pub(crate) fn end(&self) -> usize {
        self.at + self.picture.tokens.len()
    }
}

/// The position of the token at this place of a prompt, which is in no image.
pub(crate) fn position(images: &[Placed], at: usize) -> usize {
    let before = images.iter().filter(|image| image.end() <= at);
    let saved: usize =
        before.map(|image| image.picture.tokens.len().saturating_sub(image.picture.positions)).sum();
    at.saturating_sub(saved)
}

/// How many of so many tokens of a prompt's beginning can be of use to it: images are read as a whole.
pub(crate) fn whole(images: &[Placed], tokens: usize) -> usize {
    images.iter().rev().fold(tokens, |tokens, image| {
        let within = image.at < tokens && tokens < image.end();
        if within || (tokens == image.end() && !image.picture.firm) { image.at } else { tokens }
    })
}

/// The tokens that stand for images. Each image has one of its own as long as it is remembered, and none is ever that of
/// another.
#[derive(Debug, Default)]
struct Known {
    names: HashMap<[u8; 32], i32>,
    order: VecDeque<[u8; 32]>,
    given: i32,
}

impl Known {
    fn name(&mut self, digest: [u8; 32]) -> i32 {
        if let Some(name) = self.names.get(&digest) {
            return *name;
        }
        if self.order.len() == REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.names.remove(&oldest);
        }
        // Two thousand million images later the first names return, when nothing of theirs is left.
        let name = FIRST - self.given;
        self.given = self.given.checked_add(1).filter(|given| *given < i32::MAX - 2).unwrap_or(0);
        self.names.insert(digest, name);
        self.order.push_back(digest);
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(at: usize, tokens: usize, positions: usize, firm: bool) -> Placed {
        let tokens = vec![LlamaToken(FIRST); tokens];
        Placed { at, picture: Picture { chunks: None, tokens, positions, firm } }
    }

    #[test]
    fn images_are_of_use_as_a_whole() {
        let images = [placed(10, 4, 4, false), placed(14, 4, 4, false), placed(30, 4, 4, true)];
        for (tokens, of_use) in
            [(9, 9), (10, 10), (11, 10), (14, 10), (17, 10), (18, 10), (19, 19), (31, 30), (34, 34), (40, 40)]
        {
            assert_eq!(whole(&images, tokens), of_use, "{tokens}");
        }
    }

    #[test]
    fn positions_may_be_fewer_than_tokens() {
        let images = [placed(10, 40, 7, true), placed(60, 4, 4, true)];
        for (at, expected) in [(0, 0), (10, 10), (50, 17), (60, 27), (64, 31), (70, 37)] {
            assert_eq!(position(&images, at), expected, "{at}");
        }
    }

    #[test]
    fn no_image_has_the_name_of_another() {
        let mut known = Known::default();
        let mut digest = |number: u16| {
            let mut digest = [0; 32];
            digest[..2].copy_from_slice(&number.to_le_bytes());
            known.name(digest)
        };
        let first = digest(0);
        assert_eq!(first, -2);
        assert_eq!((digest(1), digest(0), digest(1)), (-3, -2, -3));
        for number in 2..5000 {
            assert_eq!(digest(number), FIRST - i32::from(number));
        }
        assert_eq!(digest(0), -5002, "it was forgotten, and has a new name");
    }
}
