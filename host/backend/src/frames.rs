//! What a worker and its host say to each other.
//!
//! A frame is `[u32 length][u8 kind][u64 id][payload]`, numbers little-endian; the length counts what follows it.
//! [`decode`] is pure, so that blocking code, asynchronous code and a fuzzer read with the same parser.

use std::borrow::Cow;
use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};

use crate::{Error, Event, LoadOptions, ModelInfo, Work, abi, wire};

/// The longest payload of a frame.
pub const MAX_PAYLOAD: usize = 64 << 20;

const LENGTH: usize = size_of::<u32>();
const HEAD: usize = size_of::<u8>() + size_of::<u64>();

const LOAD: u8 = 1;
const SUBMIT: u8 = 2;
const CANCEL: u8 = 3;
const PROGRESS: u8 = 16;
const READY: u8 = 17;
const FAILED: u8 = 18;
/// The event kinds of the ABI follow this one.
const EVENT: u8 = 32;

/// One thing said.
#[derive(Clone, Debug, PartialEq)]
pub enum Frame {
    /// Host to worker, first and once: load a model.
    Load(Load),
    /// Host to worker: do this.
    Submit {
        /// Chosen by the host; not that of a request which has not ended.
        id: u64,
        /// What to do.
        work: Work,
    },
    /// Host to worker: end this request at the next token. Unknown ids are ignored.
    Cancel {
        /// The request.
        id: u64,
    },
    /// Worker to host: the share of the load that is done.
    Progress(f32),
    /// Worker to host: the model is loaded.
    Ready(ModelInfo),
    /// Worker to host: the model cannot be loaded or used any more, and the worker ends.
    Failed(Error),
    /// Worker to host: what became of a request.
    Event {
        /// The request.
        id: u64,
        /// What became of it.
        event: Event,
    },
}

/// What to load, and with what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Load {
    /// The backend's name; absent: the first that runs the format.
    #[serde(default)]
    pub backend: Option<String>,
    /// The model's format, such as `gguf`.
    pub format: String,
    /// How.
    pub options: LoadOptions,
}

/// Bytes that are no frame, or a connection that broke.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The length cannot be that of a frame.
    #[error("a frame of {0} bytes; the shortest has {HEAD}, the longest {max}", max = MAX_PAYLOAD + HEAD)]
    Length(u64),
    /// No frame is of this kind.
    #[error("a frame of the unknown kind {0}")]
    Kind(u8),
    /// The id or the payload does not fit the kind.
    #[error("a malformed frame of kind {kind}: {reason}")]
    Payload {
        /// The frame's kind.
        kind: u8,
        /// What is wrong with it.
        reason: String,
    },
    /// The connection ended inside a frame.
    #[error("the connection ended inside a frame")]
    Cut,
    /// Reading or writing failed.
    #[error("the connection between host and worker broke: {0}")]
    Io(#[from] io::Error),
}

impl FrameError {
    fn payload(kind: u8, reason: impl ToString) -> Self {
        Self::Payload { kind, reason: reason.to_string() }
    }
}

/// Reads the first frame of `bytes` and says how many bytes it took. `None`: it is not complete yet. What can be told
/// to be wrong is refused at once, before the rest has come.
pub fn decode(bytes: &[u8]) -> Result<Option<(Frame, usize)>, FrameError> {
    let Some((length, rest)) = bytes.split_first_chunk::<LENGTH>() else { return Ok(None) };
    let length = checked_length(*length)?;
    if let Some(&kind) = rest.first() {
        check_kind(kind)?;
    }
    let Some(body) = rest.get(..length) else { return Ok(None) };
    Ok(Some((decode_body(body)?, LENGTH + length)))
}

/// Appends a frame. On an error nothing was appended.
pub fn encode(frame: &Frame, into: &mut Vec<u8>) -> Result<(), FrameError> {
    let json = |kind, what, value: Result<Vec<u8>, Error>| match value {
        Ok(json) => Ok((kind, what, Cow::Owned(json))),
        Err(error) => Err(FrameError::payload(kind, error)),
    };
    let (kind, id, payload) = match frame {
        Frame::Load(load) => json(LOAD, 0, wire::to_json("a load", load))?,
        Frame::Submit { id, work } => json(SUBMIT, *id, wire::encode_work(work))?,
        Frame::Cancel { id } => (CANCEL, *id, Cow::Borrowed(&[][..])),
        Frame::Progress(share) => (PROGRESS, 0, share.to_le_bytes().to_vec().into()),
        Frame::Ready(info) => json(READY, 0, wire::to_json("the model's description", info))?,
        Frame::Failed(error) => json(FAILED, 0, wire::to_json("an error", error))?,
        Frame::Event { id, event } => {
            let (kind, data) =
                wire::encode_event(event).map_err(|error| FrameError::payload(EVENT, error))?;
            // The ABI's kinds are small numbers.
            (EVENT + kind as u8, *id, data)
        }
    };
    if payload.len() > MAX_PAYLOAD {
        return Err(FrameError::Length((payload.len() + HEAD) as u64));
    }
    into.reserve(LENGTH + HEAD + payload.len());
    into.extend_from_slice(&((HEAD + payload.len()) as u32).to_le_bytes());
    into.push(kind);
    into.extend_from_slice(&id.to_le_bytes());
    into.extend_from_slice(&payload);
    Ok(())
}

/// Reads one frame; `None` where the connection ended before it began. Memory grows with what has come, never with
/// what a length promises.
pub fn read_frame(from: &mut impl Read) -> Result<Option<Frame>, FrameError> {
    let mut length = Vec::with_capacity(LENGTH);
    from.by_ref().take(LENGTH as u64).read_to_end(&mut length)?;
    let Ok(length) = <[u8; LENGTH]>::try_from(length.as_slice()) else {
        return if length.is_empty() { Ok(None) } else { Err(FrameError::Cut) };
    };
    let length = checked_length(length)?;
    let mut body = Vec::new();
    from.by_ref().take(1).read_to_end(&mut body)?;
    check_kind(*body.first().ok_or(FrameError::Cut)?)?;
    from.by_ref().take(length as u64 - 1).read_to_end(&mut body)?;
    if body.len() < length {
        return Err(FrameError::Cut);
    }
    decode_body(&body).map(Some)
}

/// Writes one frame with one call.
pub fn write(into: &mut impl Write, frame: &Frame) -> Result<(), FrameError> {
    let mut bytes = Vec::new();
    encode(frame, &mut bytes)?;
    Ok(into.write_all(&bytes)?)
}

fn checked_length(bytes: [u8; LENGTH]) -> Result<usize, FrameError> {
    let length = u32::from_le_bytes(bytes);
    match usize::try_from(length) {
        Ok(length) if (HEAD..=HEAD + MAX_PAYLOAD).contains(&length) => Ok(length),
        _ => Err(FrameError::Length(length.into())),
    }
}

fn check_kind(kind: u8) -> Result<(), FrameError> {
    match kind {
        LOAD | SUBMIT | CANCEL | PROGRESS | READY | FAILED => Ok(()),
        _ if event_kind(kind).is_some() => Ok(()),
        _ => Err(FrameError::Kind(kind)),
    }
}

fn event_kind(kind: u8) -> Option<u32> {
    kind.checked_sub(EVENT).map(u32::from).filter(|event| (abi::STARTED..=abi::TOOL_CALL).contains(event))
}

fn decode_body(body: &[u8]) -> Result<Frame, FrameError> {
    let Some((&[kind, ref id @ ..], payload)) = body.split_first_chunk::<HEAD>() else {
        return Err(FrameError::Length(body.len() as u64));
    };
    let id = u64::from_le_bytes(*id);
    let wrong = |error: Error| FrameError::payload(kind, error);
    if id != 0 && matches!(kind, LOAD | PROGRESS | READY | FAILED) {
        return Err(FrameError::payload(kind, format!("it belongs to no request, but its id is {id}")));
    }
    Ok(match kind {
        LOAD => Frame::Load(wire::from_json("a load", payload).map_err(wrong)?),
        SUBMIT => Frame::Submit { id, work: wire::decode_work(payload).map_err(wrong)? },
        CANCEL if payload.is_empty() => Frame::Cancel { id },
        CANCEL => return Err(FrameError::payload(kind, "it has a payload")),
        PROGRESS => match payload.try_into().map(f32::from_le_bytes) {
            Ok(share) if (0.0..=1.0).contains(&share) => Frame::Progress(share),
            _ => return Err(FrameError::payload(kind, "it is no share from 0 to 1")),
        },
        READY => Frame::Ready(wire::from_json("the model's description", payload).map_err(wrong)?),
        FAILED => Frame::Failed(wire::from_json("an error", payload).map_err(wrong)?),
        _ => match event_kind(kind) {
            Some(event) => Frame::Event { id, event: wire::decode_event(event, payload).map_err(wrong)? },
            None => return Err(FrameError::Kind(kind)),
        },
    })
}
