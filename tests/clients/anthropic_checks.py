"""`inferno serve` as the official anthropic client for Python sees it, unmodified.

Started by tests/tests/clients.rs with the server's address, a valid key and the names of two models: one that echoes
and one that writes stories. Prints one line for each check; the exit status says whether all held.
"""

import asyncio
import json
import os

import anthropic

from telling import check, tell

URL = os.environ["INFERNO_URL"]
KEY = os.environ["INFERNO_API_KEY"]
ECHO = os.environ["INFERNO_ECHO_MODEL"]
STORY = os.environ["INFERNO_STORY_MODEL"]

client = anthropic.Anthropic(base_url=URL, api_key=KEY, max_retries=0, timeout=60)
SAID = [{"role": "user", "content": "one two three four five"}]
WEATHER = {
    "name": "get_weather",
    "description": "Get the weather in a city.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string", "maxLength": 12}}, "required": ["city"]},
}
# The API has no temperature any more, and the client neither; local models have one.
LIKELIEST = {"temperature": 0}
ASKED = [{"role": "user", "content": "What is the weather in Rome?"}]


def ask(**changes):
    return client.messages.create(**{"model": ECHO, "max_tokens": 50, "messages": SAID, **changes})


def text(message):
    return "".join(block.text for block in message.content if block.type == "text")


def refused(error_class, status, kind, call):
    """Expects a typed exception whose envelope the client understood."""
    try:
        answer = call()
    except anthropic.APIStatusError as error:
        assert type(error) is error_class, f"{type(error).__name__}: {error}"
        assert (error.status_code, error.type) == (status, kind), error
        assert error.api_message, error.body
        return error
    raise AssertionError(f"not refused: {answer}")


@check
def a_message_is_answered():
    message = ask()
    assert (message.type, message.role, message.model) == ("message", "assistant", ECHO), message
    assert message.id.startswith("msg_") and message._request_id, message
    assert text(message) == "one two three four five", message
    assert (message.stop_reason, message.stop_sequence) == ("end_turn", None), message
    assert (message.usage.input_tokens, message.usage.output_tokens) == (5, 5), message.usage


@check
def length_and_stop_texts_end_it():
    short = ask(max_tokens=2)
    assert (text(short), short.stop_reason) == ("one two", "max_tokens"), short
    stopped = ask(stop_sequences=["nothing", " four"])
    assert (text(stopped), stopped.stop_reason, stopped.stop_sequence) == ("one two three", "stop_sequence", " four"), stopped


@check
def a_message_streams():
    with client.messages.stream(model=ECHO, max_tokens=50, messages=SAID) as stream:
        pieces = list(stream.text_stream)
        message = stream.get_final_message()
    assert "".join(pieces) == text(message) == "one two three four five", pieces
    assert (message.stop_reason, message.usage.output_tokens) == ("end_turn", 5), message
    kinds = [event.type for event in ask(stream=True)]
    assert kinds[:2] == ["message_start", "content_block_start"], kinds
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"], kinds
    assert set(kinds[2:-3]) == {"content_block_delta"}, kinds
    with client.messages.stream(model=ECHO, max_tokens=50, messages=SAID, stop_sequences=["four"]) as stream:
        message = stream.get_final_message()
    assert (text(message), message.stop_sequence) == ("one two three ", "four"), message


@check
def a_stream_may_be_left():
    with client.messages.stream(model=ECHO, max_tokens=50, messages=SAID) as stream:
        next(iter(stream.text_stream))
    assert text(ask()) == "one two three four five"


@check
def a_real_model_obeys():
    story = {"model": STORY, "max_tokens": 60, "extra_body": LIKELIEST, "system": "You are a storyteller."}
    story["messages"] = [{"role": "user", "content": [{"type": "text", "text": "Tell me a story about a fox named Mia."}]}]
    message = client.messages.create(**story)
    assert len(text(message).split()) > 10, message
    with client.messages.stream(**story) as stream:
        assert stream.get_final_text() == text(message)
        # What was cached is told apart.
        usage = stream.get_final_message().usage
    counted = client.messages.count_tokens(**{key: story[key] for key in ("model", "system", "messages")})
    assert counted.input_tokens == usage.input_tokens + (usage.cache_read_input_tokens or 0), (counted, usage)
    whole = message.usage
    assert counted.input_tokens == whole.input_tokens + (whole.cache_read_input_tokens or 0), (counted, whole)
    first = next(event for event in client.messages.create(**story, stream=True))
    assert first.message.usage.input_tokens == counted.input_tokens, first


@check
def a_stop_text_of_a_real_model_is_named():
    story = {"model": STORY, "max_tokens": 100, "extra_body": LIKELIEST}
    story["messages"] = [{"role": "user", "content": "Tell me a story about a fox named Mia."}]
    message = client.messages.create(**story, stop_sequences=["Mia"])
    assert "Mia" not in text(message), message
    assert (message.stop_reason, message.stop_sequence) == ("stop_sequence", "Mia"), message
    assert 0 < message.usage.output_tokens < 100 and message.usage.input_tokens > 0, message.usage


@check
def tools_are_called():
    called = client.messages.create(model=STORY, max_tokens=80, extra_body=LIKELIEST, messages=ASKED, tools=[WEATHER],
                                    tool_choice={"type": "tool", "name": "get_weather"})
    assert called.stop_reason == "tool_use", called
    (call,) = called.content
    assert (call.type, call.name) == ("tool_use", "get_weather") and isinstance(call.input["city"], str), call
    with client.messages.stream(model=STORY, max_tokens=80, extra_body=LIKELIEST, messages=ASKED, tools=[WEATHER],
                                tool_choice={"type": "any"}) as stream:
        pieces = [event.partial_json for event in stream if event.type == "input_json"]
        message = stream.get_final_message()
    (block,) = [block for block in message.content if block.type == "tool_use"]
    assert block.input == json.loads("".join(pieces)), pieces
    # The result goes back, and the model answers in words.
    result = {"type": "tool_result", "tool_use_id": call.id, "content": '{"weather":"sunny"}'}
    messages = [*ASKED, {"role": "assistant", "content": called.content}, {"role": "user", "content": [result]}]
    answer = client.messages.create(model=STORY, max_tokens=40, extra_body=LIKELIEST, messages=messages, tools=[WEATHER],
                                    tool_choice={"type": "none"})
    assert text(answer), answer


@check
def an_answer_fits_its_schema():
    schema = {"type": "object", "properties": {"name": {"type": "string", "maxLength": 9}, "old": {"type": "boolean"}},
              "required": ["name", "old"], "additionalProperties": False}
    message = client.messages.create(model=STORY, max_tokens=80, extra_body=LIKELIEST,
                                     messages=[{"role": "user", "content": "Describe Mia as JSON."}],
                                     output_config={"format": {"type": "json_schema", "schema": schema}})
    described = json.loads(text(message))
    assert described.keys() == {"name", "old"}, described


@check
def several_at_once():
    async def all_of_them():
        async with anthropic.AsyncAnthropic(base_url=URL, api_key=KEY, max_retries=0) as several:

            async def one(number):
                said = [{"role": "user", "content": f"number {number}"}]
                async with several.messages.stream(model=ECHO, max_tokens=9, messages=said) as stream:
                    return await stream.get_final_text()

            return await asyncio.gather(*(one(number) for number in range(16)))

    assert asyncio.run(all_of_them()) == [f"number {number}" for number in range(16)]


@check
def what_is_wrong_is_said():
    near = refused(anthropic.NotFoundError, 404, "not_found_error", lambda: ask(model=STORY[:-1]))
    assert STORY in near.api_message and near.request_id, near
    wrong = refused(anthropic.BadRequestError, 400, "invalid_request_error", lambda: ask(messages=[]))
    assert "messages" in wrong.api_message, wrong
    pirate = [{"role": "pirate", "content": "arr"}]
    refused(anthropic.BadRequestError, 400, "invalid_request_error", lambda: ask(messages=pirate))
    refused(anthropic.BadRequestError, 400, "invalid_request_error", lambda: ask(max_tokens=0))
    refused(anthropic.BadRequestError, 400, "invalid_request_error",
            lambda: ask(thinking={"type": "enabled", "budget_tokens": 1024}))
    long = [{"role": "user", "content": "word " * 5000}]
    refused(anthropic.BadRequestError, 400, "invalid_request_error", lambda: ask(model=STORY, messages=long))
    refused(anthropic.BadRequestError, 400, "invalid_request_error", lambda: ask(model=STORY, messages=long, stream=True))


@check
def a_wrong_key_is_refused():
    stranger = client.with_options(api_key="inf-wrong")
    try:
        stranger.messages.create(model=ECHO, max_tokens=5, messages=SAID)
    except anthropic.AuthenticationError as error:
        assert error.status_code == 401 and error.api_message, error
    else:
        raise AssertionError("not refused")


tell(f"anthropic {anthropic.__version__}")
