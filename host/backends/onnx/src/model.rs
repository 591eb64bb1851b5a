//! A loaded model: hands each kind of work to the half that does it.

use inferno_backend::{Ability, Emit, Error, Generate, Model, ModelInfo, Work};
use inferno_backend_text::Replies;
use ort::session::Session;

use crate::config::Config;
use crate::embed::Reader;
use crate::generate::Generator;
use crate::graph::{Port, Purpose};
use crate::prompt::Prompts;
use crate::tensors::Computer;
use crate::tokenizer::Tokenizer;

/// What a model is made of.
pub(crate) struct Parts {
    pub(crate) session: Session,
    pub(crate) inputs: Vec<Port>,
    pub(crate) purpose: Purpose,
    pub(crate) config: Config,
    pub(crate) tokenizer: Option<Tokenizer>,
    pub(crate) context: u32,
    pub(crate) sequences: u32,
    pub(crate) device: String,
    pub(crate) bytes: u64,
}

/// What it does with texts.
enum Half {
    Writes(Box<Generator>, Box<Prompts>),
    Reads(Box<Reader>),
}

/// A model of this backend.
pub(crate) struct OnnxModel {
    session: Session,
    inputs: Vec<Port>,
    /// Absent where it takes tensors only.
    texts: Option<(Half, Tokenizer)>,
    /// Why it takes tensors only.
    why: String,
    computer: Computer,
    replies: Replies,
    info: ModelInfo,
}

impl OnnxModel {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { session, inputs, purpose, config, tokenizer, context, sequences, device, bytes } = parts;
        let mut info = ModelInfo { memory: bytes, ..ModelInfo::new(context, sequences, device) };
        info.abilities.insert(Ability::Tensors);
        let mut why = String::new();
        let half = match (purpose, &tokenizer) {
            (Purpose::Decoder(decoder), Some(tokenizer)) => {
                let cells = u64::from(context) * u64::from(sequences);
                info.memory = bytes.saturating_add(cells.saturating_mul(decoder.cache_per_token()));
                let known = tokenizer.spelling.len();
                let vocabulary = config.vocabulary.map_or(known, |vocabulary| vocabulary.max(known));
                let prompts = Prompts::new(tokenizer, &config);
                let generator = Generator::new(decoder, context, sequences, vocabulary);
                info.generates = true;
                info.chats = prompts.chats();
                info.abilities.extend([Ability::Count, Ability::LogitBias, Ability::Logprobs]);
                info.abilities.extend(prompts.format().map(|_| Ability::Tools));
                Some(Half::Writes(Box::new(generator), Box::new(prompts)))
            }
            (Purpose::Encoder(encoder), Some(_)) => {
                info.embeds = true;
                Some(Half::Reads(Box::new(Reader::new(encoder, false, &config, context, sequences))))
            }
            (Purpose::Classifier(encoder), Some(_)) => {
                let reader = Reader::new(encoder, true, &config, context, sequences);
                info.abilities.insert(Ability::Classify);
                info.abilities.extend(reader.ranks().then_some(Ability::Rank));
                Some(Half::Reads(Box::new(reader)))
            }
            (Purpose::Tensors(reason), _) => {
                why = reason;
                None
            }
            (_, None) => None,
        };
        let texts = half.zip(tokenizer);
        info.abilities.extend(texts.as_ref().map(|_| Ability::Tokenize));
        let (computer, replies) = (Computer::default(), Replies::default());
        Self { session, inputs, texts, why, computer, replies, info }
    }

    fn texts(&mut self) -> Result<(&mut Half, &mut Tokenizer), Error> {
        match &mut self.texts {
            Some((half, tokenizer)) => Ok((half, tokenizer)),
            None => Err(Error::invalid(format!("the model takes tensors only: {}", self.why))
                .hint("`inferno run --model FILE --input tensors.json` computes with them")),
        }
    }

    fn writer(&mut self) -> Result<(&mut Generator, &mut Prompts, &mut Tokenizer), Error> {
        match self.texts()? {
            (Half::Writes(generator, prompts), tokenizer) => Ok((generator, prompts, tokenizer)),
            (Half::Reads(_), _) => Err(Error::invalid("the model reads texts and writes none")
                .hint("ask for embeddings or labels, or choose another model")),
        }
    }

    fn reader(&mut self) -> Result<(&mut Reader, &mut Tokenizer), Error> {
        match self.texts()? {
            (Half::Reads(reader), tokenizer) => Ok((reader, tokenizer)),
            (Half::Writes(..), _) => Err(Error::invalid("the model writes text and reads none as a whole")
                .hint("choose an embedding model or a classifier")),
        }
    }

    fn count(&mut self, id: u64, request: &Generate) -> Result<(), Error> {
        let (_, prompts, tokenizer) = self.writer()?;
        let tokens = prompts.prompt(request, tokenizer)?.len();
        self.replies.count(id, tokens);
        Ok(())
    }
}

impl Model for OnnxModel {
    fn info(&self) -> ModelInfo {
        self.info.clone()
    }

    fn submit(&mut self, id: u64, work: Work) -> Result<(), Error> {
        match work {
            Work::Generate(request) => {
                let (generator, prompts, tokenizer) = self.writer()?;
                generator.submit(id, request, prompts, tokenizer)
            }
            Work::Count(request) => self.count(id, &request),
            Work::Embed(request) => {
                let (reader, tokenizer) = self.reader()?;
                reader.embed(id, &request, tokenizer)
            }
            Work::Classify(request) => {
                let (reader, tokenizer) = self.reader()?;
                reader.classify(id, &request, tokenizer)
            }
            Work::Rank(request) => {
                let (reader, tokenizer) = self.reader()?;
                reader.rank(id, &request, tokenizer)
            }
            Work::Tensors(request) => self.computer.submit(id, &request, &self.inputs),
            Work::Tokenize(request) => {
                self.texts()?;
                let Some((_, tokenizer)) = &mut self.texts else { return Ok(()) };
                self.replies.tokenize(id, &request, |text| {
                    let mut tokens = tokenizer.cut(text, request.special)?;
                    if request.special
                        && let Some(begin) = tokenizer.begin
                        && tokens.first() != Some(&begin)
                    {
                        tokens.insert(0, begin);
                    }
                    Ok(tokens)
                })
            }
            Work::Detokenize(request) => {
                self.texts()?;
                let Some((_, tokenizer)) = &self.texts else { return Ok(()) };
                self.replies
                    .detokenize(id, &request, tokenizer.spelling.len(), |tokens| tokenizer.join(tokens))
            }
        }
    }

    fn cancel(&mut self, id: u64) {
        match &mut self.texts {
            Some((Half::Writes(generator, _), _)) => generator.cancel(id),
            Some((Half::Reads(reader), _)) => reader.cancel(id),
            None => {}
        }
        self.computer.cancel(id);
        self.replies.cancel(id);
    }

    fn step(&mut self, emit: Emit<'_>) -> Result<bool, Error> {
        self.replies.step(emit);
        let mut more = self.computer.step(&mut self.session, emit);
        match &mut self.texts {
            Some((Half::Writes(generator, _), tokenizer)) => {
                more |= generator.step(&mut self.session, tokenizer, emit);
            }
            Some((Half::Reads(reader), _)) => more |= reader.step(&mut self.session, emit),
            None => {}
        }
        Ok(more)
    }
}
