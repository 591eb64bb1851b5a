use std::cell::RefCell;

use crate::wit::exports::inferno::plugin::filter::{
    Guest, Refusal, RequestAction, RequestHead, ResponseAction, ResponseHead,
};
use crate::wit::inferno::host::settings;
use crate::wit::inferno::host::types::Error;
use crate::{Roles, misbehave, words};

thread_local! {
    /// What is held back until the end.
    static HELD: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

fn mode() -> String {
    settings::get("mode").unwrap_or_default()
}

impl Guest for Roles {
    fn request(head: RequestHead, body: Vec<u8>) -> Result<RequestAction, Error> {
        let refuse = |status: u16, message: String| Ok(RequestAction::Refuse(Refusal { status, message }));
        match &*words(&mode()) {
            ["mask" | "hold"] => Ok(RequestAction::Replace(masked(body))),
            ["refuse-with", status] => refuse(status.parse().unwrap_or(0), "not here".to_owned()),
            ["show"] => refuse(400, format!("{} {}\n{:?}", head.method, head.path_with_query, head.headers)),
            ["tag", name] => Ok(RequestAction::Replace([name.as_bytes(), b"(", &body, b")"].concat())),
            ["request", rest @ ..] => misbehave::run(rest).unwrap_or(Ok(())).map(|()| RequestAction::Pass),
            _ => Ok(RequestAction::Pass),
        }
    }

    fn response(head: ResponseHead) -> Result<ResponseAction, Error> {
        match &*words(&mode()) {
            ["response", rest @ ..] => misbehave::run(rest).unwrap_or(Ok(()))?,
            ["mask"] if head.status != 200 => return Ok(ResponseAction::Pass),
            _ => {}
        }
        Ok(ResponseAction::Filter)
    }

    fn chunk(data: Vec<u8>, last: bool) -> Result<Vec<u8>, Error> {
        match &*words(&mode()) {
            ["mask"] => Ok(masked(data)),
            ["hold"] => HELD.with_borrow_mut(|held| {
                held.extend(data);
                Ok(if last { std::mem::take(held) } else { Vec::new() })
            }),
            ["tag", name] if last => Ok([&data[..], b"<", name.as_bytes()].concat()),
            ["dots"] => Ok([&data[..], b"."].concat()),
            ["huge"] => Ok(vec![b'x'; 40 << 20]),
            // From the second chunk on.
            ["chunk", rest @ ..] => HELD.with_borrow_mut(|held| {
                if !held.is_empty() {
                    misbehave::run(rest).unwrap_or(Ok(()))?;
                }
                held.push(0);
                Ok(data)
            }),
            _ => Ok(data),
        }
    }
}

fn masked(bytes: Vec<u8>) -> Vec<u8> {
    bytes.into_iter().map(|byte| if byte == b'x' { b'*' } else { byte }).collect()
}
