//! All endpoints: by this table requests are routed and checked, and the OpenAPI document is written.

use crate::route::{Endpoint, Output, Verb};
use crate::schema::Kind;
use crate::{chat, completions, embeddings, models, rerank, responses, stream, tokens};

/// What an endpoint does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Models,
    Model,
    Chat,
    Completions,
    Embeddings,
    Respond,
    Response,
    DeleteResponse,
    InputItems,
    Rerank,
    Tokenize,
    Detokenize,
    Document,
    Socket,
}

/// An endpoint that reads.
const fn get(
    path: &'static str,
    id: &'static str,
    about: &'static str,
    output: Output,
    route: Route,
) -> Endpoint {
    Endpoint { verb: Verb::Get, path, id, about, query: &[], body: None, output, route }
}

pub(crate) static ENDPOINTS: &[Endpoint] = &[
    get("/v1/models", "listModels", "The models", Output::Json(&models::LIST), Route::Models),
    get("/v1/models/{model}", "getModel", "One model", Output::Json(&models::MODEL), Route::Model),
    Endpoint {
        verb: Verb::Post,
        path: "/v1/chat/completions",
        id: "createChatCompletion",
        about: "Answers a chat",
        query: &[],
        body: Some(&chat::REQUEST),
        output: Output::JsonOrEvents(&chat::ANSWER, Kind::Object(&stream::CHAT_CHUNK)),
        route: Route::Chat,
    },
    Endpoint {
        verb: Verb::Post,
        path: "/v1/completions",
        id: "createCompletion",
        about: "Continues a text",
        query: &[],
        body: Some(&completions::REQUEST),
        output: Output::JsonOrEvents(&completions::ANSWER, Kind::Object(&stream::TEXT_CHUNK)),
        route: Route::Completions,
    },
    Endpoint {
        verb: Verb::Post,
        path: "/v1/embeddings",
        id: "createEmbedding",
        about: "Turns texts into vectors",
        query: &[],
        body: Some(&embeddings::REQUEST),
        output: Output::Json(&embeddings::ANSWER),
        route: Route::Embeddings,
    },
    Endpoint {
        verb: Verb::Post,
        path: "/v1/responses",
        id: "createResponse",
        about: "Answers, and remembers the answer so that the next request can go on from it",
        query: &[],
        body: Some(&responses::REQUEST),
        output: Output::JsonOrEvents(&responses::RESPONSE, Kind::Object(&responses::EVENT)),
        route: Route::Respond,
    },
    get(
        "/v1/responses/{response_id}",
        "getResponse",
        "A response that was stored",
        Output::Json(&responses::RESPONSE),
        Route::Response,
    ),
    Endpoint {
        verb: Verb::Delete,
        path: "/v1/responses/{response_id}",
        id: "deleteResponse",
        about: "Forgets a response",
        query: &[],
        body: None,
        output: Output::Json(&responses::DELETED),
        route: Route::DeleteResponse,
    },
    Endpoint {
        verb: Verb::Get,
        path: "/v1/responses/{response_id}/input_items",
        id: "listInputItems",
        about: "What a stored response was the answer to",
        query: responses::PAGE,
        body: None,
        output: Output::Json(&responses::ITEMS),
        route: Route::InputItems,
    },
    Endpoint {
        verb: Verb::Post,
        path: "/v1/rerank",
        id: "rerank",
        about: "Orders documents by how well they answer a query",
        query: &[],
        body: Some(&rerank::REQUEST),
        output: Output::Json(&rerank::ANSWER),
        route: Route::Rerank,
    },
    Endpoint {
        verb: Verb::Post,
        path: "/tokenize",
        id: "tokenize",
        about: "The tokens of a text",
        query: &[],
        body: Some(&tokens::TOKENIZE),
        output: Output::Json(&tokens::TOKENS),
        route: Route::Tokenize,
    },
    Endpoint {
        verb: Verb::Post,
        path: "/detokenize",
        id: "detokenize",
        about: "The text of tokens",
        query: &[],
        body: Some(&tokens::DETOKENIZE),
        output: Output::Json(&tokens::TEXT),
        route: Route::Detokenize,
    },
    get("/openapi.json", "getDocument", "This document", Output::Document, Route::Document),
    get("/v1/openapi.json", "getDocumentBelow", "This document", Output::Document, Route::Document),
    get("/ws/stream", "openStream", "Chats over a WebSocket, several at once", Output::Socket, Route::Socket),
];
