"""`inferno serve` as the official openai client for Python sees it, unmodified: what every client needs."""

import asyncio
import math

import openai
from harness import BASE_URL, ECHO, KEY, STORY, check, client, main, refused

SAID = [{"role": "user", "content": "one two three four five"}]


@check
def models_are_listed_and_found():
    listed = {model.id: model for model in client.models.list()}
    assert {ECHO, STORY} <= listed.keys(), listed
    assert listed[STORY].object == "model" and listed[STORY].created > 0, listed[STORY]
    assert client.models.retrieve(STORY).id == STORY
    refused(openai.NotFoundError, 404, lambda: client.models.retrieve("no-such-model"))


@check
def a_chat_is_answered():
    answer = client.chat.completions.create(model=ECHO, messages=SAID)
    assert answer.object == "chat.completion" and answer.model == ECHO, answer
    choice = answer.choices[0]
    assert choice.message.role == "assistant", choice
    assert choice.message.content == "one two three four five", choice
    assert choice.finish_reason == "stop", choice
    assert answer.usage.completion_tokens == 5, answer.usage
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + 5, answer.usage
    assert answer._request_id, "the client reads x-request-id"


@check
def max_tokens_and_stop_end_an_answer():
    short = client.chat.completions.create(model=ECHO, messages=SAID, max_tokens=2).choices[0]
    assert (short.message.content, short.finish_reason) == ("one two", "length"), short
    short = client.chat.completions.create(model=ECHO, messages=SAID, max_completion_tokens=2).choices[0]
    assert (short.message.content, short.finish_reason) == ("one two", "length"), short
    stopped = client.chat.completions.create(model=ECHO, messages=SAID, stop=[" four"]).choices[0]
    assert (stopped.message.content, stopped.finish_reason) == ("one two three", "stop"), stopped


@check
def a_chat_streams():
    chunks = list(client.chat.completions.create(model=ECHO, messages=SAID, stream=True))
    assert all(chunk.object == "chat.completion.chunk" for chunk in chunks), chunks
    assert len({chunk.id for chunk in chunks}) == 1, "one answer has one id"
    deltas = [choice for chunk in chunks for choice in chunk.choices]
    assert deltas[0].delta.role == "assistant", deltas[0]
    assert "".join(choice.delta.content or "" for choice in deltas) == "one two three four five", deltas
    assert [choice.finish_reason for choice in deltas if choice.finish_reason] == ["stop"], deltas
    assert all(chunk.usage is None for chunk in chunks), "nobody asked for usage"


@check
def a_stream_ends_with_its_usage():
    options = {"include_usage": True}
    chunks = list(client.chat.completions.create(model=ECHO, messages=SAID, stream=True, stream_options=options))
    plain = client.chat.completions.create(model=ECHO, messages=SAID)
    assert chunks[-1].choices == [] and chunks[-1].usage.total_tokens == plain.usage.total_tokens, chunks[-1]
    assert all(chunk.usage is None for chunk in chunks[:-1]), chunks


@check
def the_streaming_helper_works():
    with client.chat.completions.stream(model=ECHO, messages=SAID) as stream:
        pieces = [event.delta for event in stream if event.type == "content.delta"]
        final = stream.get_final_completion()
    assert "".join(pieces) == "one two three four five", pieces
    assert final.choices[0].message.content == "one two three four five", final


@check
def a_closed_stream_does_no_harm():
    stream = client.chat.completions.create(model=ECHO, messages=SAID, stream=True)
    next(iter(stream))
    stream.close()
    assert client.chat.completions.create(model=ECHO, messages=SAID).choices


@check
def completions_are_plain_and_streamed():
    plain = client.completions.create(model=ECHO, prompt="alpha beta")
    assert plain.object == "text_completion", plain
    assert (plain.choices[0].text, plain.choices[0].finish_reason) == ("alpha beta", "stop"), plain
    several = client.completions.create(model=ECHO, prompt=["alpha beta", "gamma"])
    assert [(choice.index, choice.text) for choice in several.choices] == [(0, "alpha beta"), (1, "gamma")], several
    chunks = list(client.completions.create(model=ECHO, prompt="alpha beta", stream=True))
    assert "".join(choice.text for chunk in chunks for choice in chunk.choices) == "alpha beta", chunks


@check
def embeddings_are_the_same_as_floats_and_as_base64():
    texts = ["a fox", "a very different text"]
    floats = client.embeddings.create(model=ECHO, input=texts, encoding_format="float")
    # Without a format the client asks for base64 and decodes it.
    packed = client.embeddings.create(model=ECHO, input=texts)
    assert [item.index for item in floats.data] == [0, 1], floats.data
    for one, other in zip(floats.data, packed.data, strict=True):
        assert len(one.embedding) == len(other.embedding) > 0
        assert all(math.isclose(a, b, abs_tol=1e-6) for a, b in zip(one.embedding, other.embedding)), "they differ"
        assert math.isclose(math.hypot(*one.embedding), 1, abs_tol=1e-4), "not of unit length"
    assert floats.data[0].embedding != floats.data[1].embedding
    assert floats.usage.prompt_tokens > 0, floats.usage
    raw = client.embeddings.create(model=ECHO, input="a fox", encoding_format="base64")
    assert isinstance(raw.data[0].embedding, str), "asked for as base64, left as base64"


@check
def a_real_model_tells_a_story():
    ask = {
        "model": STORY,
        "messages": [{"role": "user", "content": "Tell me a story about a fox named Mia."}],
        "max_tokens": 60,
        "temperature": 0,
    }
    first = client.chat.completions.create(**ask)
    again = "".join(
        choice.delta.content or ""
        for chunk in client.chat.completions.create(**ask, stream=True)
        for choice in chunk.choices
    )
    text = first.choices[0].message.content
    assert len(text.split()) > 10, text
    assert again == text, f"greedy, and yet different:\n{text}\n{again}"
    assert 10 < first.usage.completion_tokens <= 60, first.usage
    seeded = [
        client.chat.completions.create(**ask | {"temperature": 1, "seed": 7}).choices[0].message.content for _ in "ab"
    ]
    assert seeded[0] == seeded[1], seeded


@check
def several_requests_at_once():
    async def all_of_them():
        async with openai.AsyncOpenAI(base_url=BASE_URL, api_key=KEY, max_retries=0, timeout=60) as several:

            async def ask(number):
                said = [{"role": "user", "content": f"number {number}"}]
                stream = await several.chat.completions.create(model=ECHO, messages=said, stream=True)
                return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

            return await asyncio.gather(*(ask(number) for number in range(16)))

    assert asyncio.run(all_of_them()) == [f"number {number}" for number in range(16)]


@check
def an_unknown_model_is_not_found():
    chat = lambda model: lambda: client.chat.completions.create(model=model, messages=SAID)
    error = refused(openai.NotFoundError, 404, chat(STORY[:-1]))
    assert error.code == "model_not_found" and error.param == "model", error.body
    assert STORY in error.message, f"near names help: {error.message}"
    for trick in ["../../etc/passwd", "/etc/passwd", "a\x00b", "..", ""]:
        try:
            answer = chat(trick)()
        except (openai.NotFoundError, openai.BadRequestError) as error:
            assert "root:" not in str(error), error
        else:
            raise AssertionError(f"{trick!r} was answered: {answer}")


@check
def bad_requests_say_what_is_bad():
    def chat(param, **changes):
        ask = {"model": ECHO, "messages": SAID} | changes
        error = refused(openai.BadRequestError, 400, lambda: client.chat.completions.create(**ask))
        assert error.param == param, error.body
        assert error.type == "invalid_request_error", error.body

    chat("messages", messages=[])
    chat("messages[0].role", messages=[{"role": "pirate", "content": "arr"}])
    chat("messages[0].content", messages=[{"role": "user", "content": 7}])
    chat("temperature", temperature="hot")
    chat("temperature", temperature=99)
    chat("max_tokens", max_tokens=-1)
    chat("n", n=99)
    chat("tools[0].type", tools=[{"type": "web_search"}])
    refused(openai.BadRequestError, 400, lambda: client.embeddings.create(model=ECHO, input=[]))


@check
def a_prompt_beyond_the_context_is_refused_with_both_numbers():
    long = [{"role": "user", "content": "word " * 5000}]
    for stream in (False, True):
        ask = lambda: client.chat.completions.create(model=STORY, messages=long, stream=stream)
        error = refused(openai.BadRequestError, 400, ask)
        assert error.code == "context_length_exceeded", error.body
        numbers = [int(word) for word in error.message.replace(",", "").split() if word.isdigit()]
        assert len(numbers) >= 2 and max(numbers) > 1024, f"both numbers: {error.message}"


@check
def a_body_that_is_too_large_is_refused():
    large = [{"role": "user", "content": "x" * (10 << 20)}]
    refused(openai.APIStatusError, 413, lambda: client.chat.completions.create(model=ECHO, messages=large))


@check
def a_wrong_key_is_refused():
    stranger = client.with_options(api_key="inf-wrong")
    refused(openai.AuthenticationError, 401, lambda: stranger.models.list())
    refused(openai.AuthenticationError, 401, lambda: stranger.chat.completions.create(model=ECHO, messages=SAID))


main()
