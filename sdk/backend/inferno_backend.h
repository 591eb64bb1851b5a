/*
 * The boundary between Inferno and a model backend, version 1.
 *
 * A backend is a shared library in Inferno's backends directory that exports one function, inferno_backend_v1. A worker
 * process opens it, loads one model and unloads it at the end; the library is never closed.
 *
 * Threads: any thread may call `devices` and `load`. Every call on a model comes from one thread, one call at a time.
 * Callbacks may be called only on that thread and only while the call that brought them runs. A backend may use threads
 * of its own inside a call.
 *
 * Memory: whoever passes bytes keeps them; the other side copies what it needs before the call or callback returns.
 * Text is UTF-8 and not NUL-terminated. JSON is one value. No exception or panic may leave any of these functions.
 *
 * Growth: version 1 may get new fields at the end of `inferno_backend`; `size` tells which a backend has. Its JSON objects
 * keep their keys and may get new ones, which are absent where they say nothing; a request that needs an ability comes only
 * to a model that says in `info` that it has it. Everything else needs a new version and a new symbol.
 */
#ifndef INFERNO_BACKEND_H
#define INFERNO_BACKEND_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(_WIN32)
#define INFERNO_EXPORT __declspec(dllexport)
#else
#define INFERNO_EXPORT __attribute__((visibility("default")))
#endif

#define INFERNO_BACKEND_ABI 1

/* Borrowed bytes. `ptr` may be NULL where `len` is 0. */
typedef struct {
    const uint8_t *ptr;
    size_t len;
} inferno_bytes;

/* A loaded model; only the backend knows what is in it. */
typedef struct inferno_model inferno_model;

/* What becomes of a request: STARTED, any number of others, then DONE or FAILED, after which nothing more may come for its
 * id. A request that fails early needs no STARTED. */
enum {
    INFERNO_STARTED = 1,   /* {"prompt_tokens": n} */
    INFERNO_TEXT = 2,      /* more of the answer, never cut inside a character */
    INFERNO_EMBEDDING = 3, /* the vector of the next input: float32 values, little-endian, of unit length together; for a
                              ranking, one value: the score of the next document */
    INFERNO_DONE = 4,      /* {"finish": "stop" | "length" | "tool_calls" | "cancelled",
                               "stopped_by": n, where the n-th of the texts of "stop", from 0, came up; else absent,
                               "usage": {"prompt_tokens": n, "output_tokens": n, "cached_tokens": n or absent}} */
    INFERNO_FAILED = 5,    /* an error */
    INFERNO_TOKENS = 6,    /* the tokens of a text: uint32 values, little-endian */
    INFERNO_CHOICES = 7,   /* [{"token": t, "top": [t, ...]}, ...] with t = {"id": n, "bytes": [n, ...], "logprob": x}; before
                              or with the text of these tokens; x by the model alone, before anything, the temperature
                              too, has changed it */
    INFERNO_TOOL_CALL = 8  /* {"index": n, "id": text, "name": text, "arguments": more of a JSON object as text}; "id" and
                              "name" come with the first piece of each call */
};

/*
 * An error is JSON: {"kind": k, "message": text, "hint": text or absent, "retry_after_ms": n or absent}. The message is
 * one sentence that says what happened and where, the hint what to do. Kinds: "denied", "not-found", "invalid",
 * "context-length", "exhausted", "unavailable", "timeout", "cancelled", "internal".
 */

/* Takes the share of a load that is done, from 0 to 1. */
typedef void (*inferno_progress)(void *ctx, float share);
/* Takes an event of a request. */
typedef void (*inferno_emit)(void *ctx, uint64_t id, uint32_t kind, inferno_bytes data);
/* Takes the error of a call that is about to say that it failed; called at most once. */
typedef void (*inferno_fail)(void *ctx, inferno_bytes error_json);
/* Takes the JSON that a call answers with; called exactly once where the call succeeds. */
typedef void (*inferno_sink)(void *ctx, inferno_bytes json);

/* No function may be NULL, and no callback is. `ctx` pointers are passed back as they came. */
typedef struct {
    /* INFERNO_BACKEND_ABI. */
    uint32_t abi;
    /* sizeof(inferno_backend), as the backend knows it. */
    uint32_t size;

    /* {"name": text, "version": text, "formats": [text, ...], "detect": absent or as below, "needs": absent or as
     * below, "reads": absent or as below}; stays as it is while the library is open.
     *
     * For formats that the host does not know by itself, "detect" says how their files are told from others:
     * [{"format": one of the formats, "extension": text, "magic": text or absent}, ...]. A file whose name ends in a dot
     * and the extension (letters and digits; case does not count), and which begins with the magic, is of the format. Each
     * character of the magic stands for one byte, so it is one of U+0000 to U+00FF; there are at most 64.
     *
     * "needs" names what the code takes for granted of the processor, in Rust's words: ["avx512f", ...]. Where one of them
     * is lacking the library is passed over.
     *
     * "reads" names folders of libraries that the code opens late, where they are neither the system's nor beside it: a
     * worker that is fenced in may read there. */
    inferno_bytes describe;

    /* Answers with [{"name": text, "description": text, "memory": bytes or 0}, ...]: what it could compute on, here and
     * now. 0: it did; -1: it cannot tell. */
    int32_t (*devices)(void *ctx, inferno_sink sink);

    /* Loads a model; NULL where that failed. Options: {"path": text, "context": tokens or null, "sequences": n at least 1,
     * "threads": n or null, "threads_batch": n for prompts or absent, "adapters": {name: path} or absent,
     * "projector": the path of what turns images into what the model reads, or absent,
     * "files": [further files of the model, such as its tokenizer, ...] or absent,
     * "state_dir": a directory to keep state in, or absent,
     * "extra": {text: text}}. Keys of "extra" belong to the backend, which refuses those that it
     * does not know. `progress` may be called any number of times. */
    inferno_model *(*load)(inferno_bytes options_json, inferno_progress progress, void *progress_ctx,
                           inferno_fail fail, void *fail_ctx);

    /* Answers with {"context": tokens, "sequences": n, "embeds": bool, "generates": bool, "chats": bool, "device": text,
     * "abilities": [text, ...] or absent, "memory": bytes or absent}. Abilities are "adapters", "classify", "count",
     * "grammar", "json_schema", "logit_bias", "logprobs", "rank", "tensors", "tokenize", "tools" and
     * "vision". 0: it did. */
    int32_t (*info)(inferno_model *model, void *ctx, inferno_sink sink);

    /* Takes a request; computes nothing yet. 0: taken; -1: refused, and the id is unknown again. Work is one of
     *   {"generate": {"input": {"prompt": text} or {"chat": [{"role": "system" | "user" | "assistant" | "tool",
     *                                                       "content": text}, ...]},
     *                 "max_tokens": n or null, "stop": [text, ...],
     *                 "sampling": {"temperature", "top_k", "top_p", "min_p", "repeat_penalty", "presence_penalty",
     *                              "frequency_penalty": numbers, "seed": n or null}}}
     *     and, each only where the model has the ability: "logit_bias": [[token, bias], ...], "logprobs": n,
     *     "constraint": {"grammar": text} or {"json": schema or null}, "adapters": [[name, scale], ...],
     *     "tools": [{"name": text, "description": text or absent, "parameters": schema or null}, ...],
     *     "tool_choice": "none" | "required" | {"named": text}, absent for "auto"; messages of a chat may then have
     *     "tool_calls": [{"id": text, "name": text, "arguments": text}, ...] or "tool_call_id": text,
     *     and "images": [n, ...], where in the content images stand, by bytes, in order. The images themselves follow
     *     the JSON: one zero byte, then for each image of all messages, in order, its length in bytes as a
     *     little-endian uint32 and these bytes, the content of a file such as a PNG or a JPEG
     *   {"embed": {"inputs": [text, ...]}}
     *   {"rank": {"query": text, "documents": [text, ...]}}
     *   {"classify": {"inputs": [text, ...]}}, answered with TEXT: for each input a line of JSON, [{"label": text,
     *     "score": from 0 to 1}, ...], the likeliest first
     *   {"tensors": {"inputs": {name: {"dtype": text, "shape": [n, ...], "data": [value, ...]}, ...}}}, answered with TEXT:
     *     the outputs, written in the same way
     *   {"tokenize": {"text": text, "special": bool}}, {"detokenize": {"tokens": [n, ...]}}, answered with TEXT
     *   {"count": as "generate"}, answered with STARTED and DONE
     * Without images there is only the JSON. Requests beyond "sequences" wait inside the model in the order in which they came. */
    int32_t (*submit)(inferno_model *model, uint64_t id, inferno_bytes work, inferno_fail fail, void *fail_ctx);

    /* Ends a request: the next step emits its DONE with "cancelled". Unknown ids are ignored. */
    void (*cancel)(inferno_model *model, uint64_t id);

    /* Does one bounded piece of work, about one token, for all requests together. 1: there is more to do; 0: all requests
     * have ended; -1: the model cannot go on, and all its requests fail with this error. */
    int32_t (*step)(inferno_model *model, inferno_emit emit, void *emit_ctx, inferno_fail fail, void *fail_ctx);

    /* Frees the model; the last call on it. */
    void (*unload)(inferno_model *model);
} inferno_backend;

/* The entry point. The table stays as it is while the library is open. */
INFERNO_EXPORT const inferno_backend *inferno_backend_v1(void);

#ifdef __cplusplus
}
#endif

#endif
