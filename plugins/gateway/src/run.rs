//! Running requests, several at the same time where a client asked for several answers.

use std::future::Future;

use futures::future::try_join_all;
use futures::stream::{self, LocalBoxStream, Stream, StreamExt};
use inferno_sdk::Error;
use inferno_sdk::inference::{self, Completion, End, Generation, Piece, Request, ToolCall, ToolCallDelta};

/// What happens to one of the answers of a request.
pub(crate) enum Event {
    Piece(Piece),
    End(Result<End, Error>),
}

/// The events of all answers, each with the index of its answer. After its end there is nothing more of one.
pub(crate) type Events = LocalBoxStream<'static, (usize, Event)>;

/// What else this call of the plugin does at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Company {
    /// Nothing, so that it may wait in the cheapest way.
    Alone,
    /// It answers others, which must not wait.
    Others,
}

/// All answers, whole and in order.
pub(crate) async fn whole(requests: &[Request], company: Company) -> Result<Vec<Completion>, Error> {
    match requests {
        [request] => Ok(vec![single(request, company).await?]),
        several => try_join_all(several.iter().map(one)).await,
    }
}

/// The whole answer to one request.
pub(crate) async fn single(request: &Request, company: Company) -> Result<Completion, Error> {
    match company {
        Company::Alone => inference::complete(request),
        Company::Others => one(request).await,
    }
}

/// All answers as they are written. What is wrong with the first is most likely wrong with all, and is told before the
/// stream begins.
pub(crate) async fn streamed(requests: Vec<Request>) -> Result<Events, Error> {
    let mut requests = requests.into_iter();
    let Some(first) = requests.next() else { return Ok(stream::empty().boxed_local()) };
    let first = events(0, inference::generate(&first).await?).boxed_local();
    if requests.len() == 0 {
        return Ok(first);
    }
    let others = requests.zip(1..).map(|(request, index)| {
        let start = async move { inference::generate(&request).await };
        started(index, start).boxed_local()
    });
    Ok(stream::select_all([first].into_iter().chain(others)).boxed_local())
}

async fn one(request: &Request) -> Result<Completion, Error> {
    let mut generation = inference::generate(request).await?;
    let mut gathered = Gathered::default();
    while let Some(piece) = generation.next_piece().await {
        gathered.add(piece);
    }
    Ok(gathered.end(generation.end().await?))
}

/// The pieces of an answer, put together.
#[derive(Default)]
struct Gathered {
    text: String,
    tool_calls: Vec<ToolCall>,
    choices: Vec<inference::Choice>,
}

impl Gathered {
    fn add(&mut self, piece: Piece) {
        match piece {
            Piece::Text(text) => self.text.push_str(&text),
            Piece::Choices(choices) => self.choices.extend(choices),
            Piece::ToolCall(ToolCallDelta { id: Some(id), name, arguments, .. }) => {
                self.tool_calls.push(ToolCall { id, name: name.unwrap_or_default(), arguments });
            }
            Piece::ToolCall(delta) => {
                let call = usize::try_from(delta.index).ok().and_then(|index| self.tool_calls.get_mut(index));
                if let Some(call) = call {
                    call.arguments.push_str(&delta.arguments);
                }
            }
        }
    }

    fn end(self, End { finish, usage, stopped_by }: End) -> Completion {
        let Self { text, tool_calls, choices } = self;
        Completion { text, tool_calls, choices, finish, stopped_by, usage }
    }
}

fn events(index: usize, generation: Generation) -> impl Stream<Item = (usize, Event)> + 'static {
    stream::unfold(Some(generation), move |generation| async move {
        let mut generation = generation?;
        match generation.next_piece().await {
            Some(piece) => Some(((index, Event::Piece(piece)), Some(generation))),
            None => Some(((index, Event::End(generation.end().await)), None)),
        }
    })
}

/// The events of a generation that is yet to start.
fn started(
    index: usize,
    start: impl Future<Output = Result<Generation, Error>> + 'static,
) -> impl Stream<Item = (usize, Event)> + 'static {
    stream::once(start).flat_map(move |started| match started {
        Ok(generation) => events(index, generation).boxed_local(),
        Err(error) => stream::iter([(index, Event::End(Err(error)))]).boxed_local(),
    })
}

#[cfg(test)]
mod tests {
    use inferno_sdk::inference::{Finish, Usage};

    use super::*;

    #[test]
    fn pieces_make_a_whole() {
        let delta = |index, id: Option<&str>, arguments: &str| {
            let (id, name) = (id.map(str::to_owned), id.map(|id| format!("name of {id}")));
            Piece::ToolCall(ToolCallDelta { index, id, name, arguments: arguments.into() })
        };
        let mut gathered = Gathered::default();
        for piece in [
            Piece::Text("a".into()),
            Piece::Text("b".into()),
            delta(0, Some("x"), "{"),
            delta(0, None, "}"),
            delta(1, Some("y"), ""),
            delta(1, None, "{}"),
        ] {
            gathered.add(piece);
        }
        let whole =
            gathered.end(End { finish: Finish::ToolCalls, stopped_by: None, usage: Usage::default() });
        assert_eq!((&*whole.text, whole.finish), ("ab", Finish::ToolCalls));
        let call =
            |id: &str| ToolCall { id: id.into(), name: format!("name of {id}"), arguments: "{}".into() };
        assert_eq!(whole.tool_calls, [call("x"), call("y")]);
    }
}
