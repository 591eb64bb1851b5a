//! What goes over a connection that has become a WebSocket, until one side ends it.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use http_body_util::BodyExt;
use inferno_sandbox::{Body, BodyError};
use tokio::net::TcpStream;
use tokio::time::{MissedTickBehavior, interval_at, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::CapacityError;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{self, Message, Utf8Bytes};
use tokio_util::sync::CancellationToken;

use super::Upgrade;
use super::lines::{Cutter, Said, line};
use crate::Config;
use crate::access::Entry;
use crate::figures::Figures;
use crate::io::Impatient;

/// How long a client may take to answer the end.
const PARTING: Duration = Duration::from_secs(5);
/// So many pings in a row that nothing came back for mean that the client is gone.
const UNANSWERED: u32 = 2;
/// The longest reason that fits into a close frame.
const MAX_REASON: usize = 123;

type Socket = WebSocketStream<Impatient<TcpStream>>;

/// How a conversation ends.
enum End {
    /// The plugin has said all.
    Over,
    /// The client wants no more.
    Left,
    /// The connection is no more, or nobody is there.
    Gone,
    /// One side did what it may not, or failed.
    Refused(CloseCode, String),
}

/// Whether the client is still there.
#[derive(Default)]
struct Pulse {
    /// The client is being listened to; while the plugin does not take what was said, it is not.
    listening: AtomicBool,
    unanswered: AtomicU32,
}

/// Hands messages to and fro until one side ends it, and gives the connection back to be closed.
pub(crate) async fn relay(
    io: Impatient<TcpStream>,
    read: Bytes,
    upgrade: Upgrade,
    (config, figures): (&Config, &Figures),
    drain: &CancellationToken,
) -> Option<Impatient<TcpStream>> {
    let Upgrade { said, mut answer, mut entry } = upgrade;
    let max = usize::try_from(config.max_body).unwrap_or(usize::MAX);
    let limits = WebSocketConfig::default().max_message_size(Some(max)).max_frame_size(Some(max));
    let socket = WebSocketStream::from_partially_read(io, read.to_vec(), Role::Server, Some(limits)).await;
    let (mut sink, mut stream) = socket.split();
    let pulse = Pulse::default();
    let end = tokio::select! {
        end = Telling { sink: &mut sink, pulse: &pulse, figures, max, entry: &mut entry }
            .tell(&mut answer, config.ping_interval) => end,
        end = hear(&mut stream, said, &pulse, figures, drain) => end,
    };
    // Whatever the plugin has under way ends here.
    drop(answer);
    entry.ended(matches!(end, End::Over | End::Left));
    let end = match end {
        End::Over if drain.is_cancelled() => End::Refused(CloseCode::Away, "the server stops".to_owned()),
        end => end,
    };
    Some(part(sink.reunite(stream).ok()?, end).await)
}

/// Takes what the client says.
async fn hear(
    stream: &mut SplitStream<Socket>,
    said: Said,
    pulse: &Pulse,
    figures: &Figures,
    drain: &CancellationToken,
) -> End {
    let mut said = Some(said);
    loop {
        pulse.listening.store(true, Relaxed);
        let message = tokio::select! {
            () = drain.cancelled(), if said.is_some() => {
                // What the plugin has under way may end, but nothing new begins.
                said = None;
                continue;
            }
            message = stream.next() => message,
        };
        pulse.unanswered.store(0, Relaxed);
        let text = match message {
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Binary(_))) => {
                return End::Refused(CloseCode::Unsupported, "messages must be text".to_owned());
            }
            Some(Ok(Message::Close(_))) => return End::Left,
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => continue,
            Some(Err(error)) => return fault(&error),
            None => return End::Gone,
        };
        figures.messages_received.fetch_add(1, Relaxed);
        let Some(line) = line(text.as_bytes()) else {
            return End::Refused(CloseCode::Invalid, "a message must not have a line break in it".to_owned());
        };
        if let Some(said) = &said {
            pulse.listening.store(false, Relaxed);
            // A plugin that wants to hear no more may still have something to say.
            let _ = said.send(line).await;
        }
    }
}

/// What a client is told that broke the protocol.
fn fault(error: &tungstenite::Error) -> End {
    match error {
        tungstenite::Error::Capacity(CapacityError::MessageTooLong { max_size, .. }) => {
            End::Refused(CloseCode::Size, format!("a message may have {max_size} bytes"))
        }
        tungstenite::Error::Utf8(_) => End::Refused(CloseCode::Invalid, "a text is not UTF-8".to_owned()),
        tungstenite::Error::Protocol(error) => End::Refused(CloseCode::Protocol, error.to_string()),
        _ => End::Gone,
    }
}

/// The way to the client.
struct Telling<'a> {
    sink: &'a mut SplitSink<Socket, Message>,
    pulse: &'a Pulse,
    figures: &'a Figures,
    /// Bytes of a message.
    max: usize,
    entry: &'a mut Entry,
}

impl Telling<'_> {
    /// Says what the plugin says, and asks now and then whether somebody is there.
    async fn tell(mut self, answer: &mut Body, every: Duration) -> End {
        let mut cutter = Cutter::default();
        let mut pings = interval_at(tokio::time::Instant::now() + every, every);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let frame = tokio::select! {
                frame = answer.frame() => frame,
                _ = pings.tick() => match self.ping().await {
                    Ok(()) => continue,
                    Err(end) => return end,
                },
            };
            let told = match frame {
                Some(Ok(frame)) => self.piece(&mut cutter, frame.data_ref()).await,
                Some(Err(error)) => Err(self.failed(&error)),
                None => self.messages(cutter.rest()).await.and(Err(End::Over)),
            };
            if let Err(end) = told {
                return end;
            }
        }
    }

    /// Says the lines that a piece of the plugin's answer ends.
    async fn piece(&mut self, cutter: &mut Cutter, piece: Option<&Bytes>) -> Result<(), End> {
        let Some(piece) = piece else { return Ok(()) };
        cutter.push(piece);
        self.messages(std::iter::from_fn(|| cutter.next())).await?;
        if cutter.held() > self.max {
            return Err(self.too_long());
        }
        Ok(())
    }

    async fn messages(&mut self, lines: impl IntoIterator<Item = Bytes>) -> Result<(), End> {
        let gone = |_| End::Gone;
        for line in lines {
            if line.len() > self.max {
                return Err(self.too_long());
            }
            self.entry.sent(line.len());
            let text = Utf8Bytes::try_from(line).map_err(|_| self.fault("wrote what is not UTF-8"))?;
            self.figures.messages_sent.fetch_add(1, Relaxed);
            self.sink.feed(Message::Text(text)).await.map_err(gone)?;
        }
        self.sink.flush().await.map_err(gone)
    }

    async fn ping(&mut self) -> Result<(), End> {
        if !self.pulse.listening.load(Relaxed) {
            self.pulse.unanswered.store(0, Relaxed);
        } else if self.pulse.unanswered.fetch_add(1, Relaxed) >= UNANSWERED {
            return Err(End::Gone);
        }
        self.sink.send(Message::Ping(Bytes::new())).await.map_err(|_| End::Gone)
    }

    fn too_long(&self) -> End {
        self.fault(&format!("wrote a line of more than {} bytes", self.max))
    }

    /// The plugin did what it may not.
    fn fault(&self, what: &str) -> End {
        let reason = format!("the plugin {what}");
        tracing::warn!(request_id = self.entry.id(), "a WebSocket was closed: {reason}");
        End::Refused(CloseCode::Error, reason)
    }

    /// The plugin failed, or was ended.
    fn failed(&self, error: &BodyError) -> End {
        tracing::warn!(request_id = self.entry.id(), %error, "a WebSocket ended in failure");
        End::Refused(CloseCode::Error, error.to_string())
    }
}

/// Says good-bye, and waits for the client to say it too.
async fn part(mut socket: Socket, end: End) -> Impatient<TcpStream> {
    let close = |code, reason: String| Some(CloseFrame { code, reason: shortened(reason).into() });
    let farewell = async {
        match end {
            End::Gone => return Ok(()),
            End::Left => socket.flush().await?,
            End::Over => socket.close(close(CloseCode::Normal, String::new())).await?,
            End::Refused(code, reason) => socket.close(close(code, reason)).await?,
        }
        while let Some(Ok(_)) = socket.next().await {}
        Ok::<_, tungstenite::Error>(())
    };
    // Whoever does not answer is left.
    let _ = timeout(PARTING, farewell).await;
    socket.into_inner()
}

fn shortened(mut reason: String) -> String {
    reason.truncate(reason.floor_char_boundary(MAX_REASON));
    reason
}
