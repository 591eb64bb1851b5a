"""`inferno serve` as the official ollama client for Python sees it, unmodified.

Started by tests/tests/clients.rs with the server's address, a valid key and the names of two models: one that echoes
and one that writes stories. Prints one line for each check; the exit status says whether all held.
"""

import asyncio
import json
import math
import os
import time
import urllib.request
from importlib.metadata import version

import ollama

from telling import check, tell

URL = os.environ["INFERNO_URL"]
ECHO = os.environ["INFERNO_ECHO_MODEL"]
STORY = os.environ["INFERNO_STORY_MODEL"]
HEADERS = {"authorization": f"Bearer {os.environ['INFERNO_API_KEY']}"}

client = ollama.Client(host=URL, headers=HEADERS, timeout=60)
SAID = [{"role": "user", "content": "one two three four five"}]
STORY_ABOUT_MIA = [{"role": "user", "content": "Tell me a story about a fox named Mia."}]


def refused(status, call):
    try:
        answer = call()
    except ollama.ResponseError as error:
        assert error.status_code == status, error
        # The client takes the message out of the envelope.
        assert error.error and not error.error.startswith("{"), error.error
        return error.error
    raise AssertionError(f"not refused: {answer}")


def get_weather(city: str) -> str:
    """
    Get the weather in a city.

    Args:
      city: The city.
    """
    return f'{{"city":"{city}","weather":"sunny"}}'


def running(name):
    return [model for model in client.ps().models if model.name == name]


@check
def there_is_a_server_where_clients_look_for_one():
    for method, body in [("GET", b"Ollama is running"), ("HEAD", b"")]:
        asked = urllib.request.Request(f"{URL}/", headers=HEADERS, method=method)
        with urllib.request.urlopen(asked) as answer:
            assert (answer.status, answer.read()) == (200, body)


@check
def a_chat_is_answered():
    answer = client.chat(model=ECHO, messages=SAID)
    assert (answer.model, answer.message.role, answer.message.content) == (ECHO, "assistant", "one two three four five"), answer
    assert (answer.done, answer.done_reason) == (True, "stop"), answer
    assert (answer.prompt_eval_count, answer.eval_count) == (5, 5), answer
    assert answer.total_duration >= answer.load_duration + answer.eval_duration > 0, answer
    short = client.chat(model=f"{ECHO}:latest", messages=SAID, options={"num_predict": 2, "num_ctx": 4096})
    assert (short.message.content, short.done_reason) == ("one two", "length"), short
    stopped = client.chat(model=ECHO, messages=SAID, options={"stop": [" four"]})
    assert (stopped.message.content, stopped.done_reason) == ("one two three", "stop"), stopped


@check
def a_chat_streams():
    chunks = list(client.chat(model=ECHO, messages=SAID, stream=True))
    assert "".join(chunk.message.content for chunk in chunks) == "one two three four five", chunks
    assert [chunk.done for chunk in chunks] == [False] * (len(chunks) - 1) + [True], chunks
    assert chunks[-1].eval_count == 5 and chunks[0].eval_count is None, chunks


@check
def a_stream_may_be_left():
    for _ in client.chat(model=ECHO, messages=SAID, stream=True):
        break
    assert client.chat(model=ECHO, messages=SAID).message.content == "one two three four five"


@check
def a_prompt_is_answered():
    answer = client.generate(model=STORY, prompt=STORY_ABOUT_MIA[0]["content"], options={"temperature": 0, "num_predict": 60})
    assert len(answer.response.split()) > 10, answer
    chatted = client.chat(model=STORY, messages=STORY_ABOUT_MIA, options={"temperature": 0, "num_predict": 60})
    assert chatted.message.content == answer.response, "a prompt is spoken as a chat has it"
    pieces = client.generate(model=STORY, prompt=STORY_ABOUT_MIA[0]["content"], stream=True,
                             options={"temperature": 0, "num_predict": 60})
    assert "".join(piece.response for piece in pieces) == answer.response
    raw = client.generate(model=STORY, prompt="Once upon a time", raw=True, options={"temperature": 0, "num_predict": 20})
    assert raw.response and raw.prompt_eval_count < answer.prompt_eval_count, raw


@check
def answers_are_json():
    asked = [{"role": "user", "content": "Describe Mia as JSON."}]
    free = client.chat(model=STORY, messages=asked, format="json", options={"temperature": 0, "num_predict": 200, "stop": ["\n\n"]})
    assert free.message.content.lstrip().startswith("{"), free
    schema = {"type": "object", "properties": {"name": {"type": "string", "maxLength": 9}, "old": {"type": "boolean"}},
              "required": ["name", "old"], "additionalProperties": False}
    fitting = client.chat(model=STORY, messages=asked, format=schema, options={"temperature": 0, "num_predict": 80})
    assert json.loads(fitting.message.content).keys() == {"name", "old"}, fitting


@check
def tools_are_called():
    asked = [{"role": "user", "content": "What is the weather in Rome?"}]
    options = {"temperature": 0, "num_predict": 80}
    called = client.chat(model=STORY, messages=asked, tools=[get_weather], options=options)
    assert called.message.tool_calls, called
    call = called.message.tool_calls[0].function
    assert call.name == "get_weather" and isinstance(call.arguments["city"], str), call
    chunks = list(client.chat(model=STORY, messages=asked, tools=[get_weather], options=options, stream=True))
    streamed = [call.function for chunk in chunks for call in chunk.message.tool_calls or []]
    assert [(call.name, call.arguments) for call in streamed] == [("get_weather", call.arguments)], streamed
    # The result goes back, and the model answers in words.
    result = {"role": "tool", "tool_name": "get_weather", "content": get_weather(**call.arguments)}
    answer = client.chat(model=STORY, messages=[*asked, called.message, result], options=options)
    assert answer.message.content, answer


@check
def likelihoods_are_told():
    answer = client.chat(model=STORY, messages=STORY_ABOUT_MIA, logprobs=True, top_logprobs=2,
                         options={"temperature": 0, "num_predict": 5})
    assert len(answer.logprobs) == 5, answer
    for token in answer.logprobs:
        assert token.logprob <= 0 and len(token.top_logprobs) == 2, token
        assert token.top_logprobs[0].token == token.token, "the likeliest was chosen"


@check
def texts_become_vectors():
    texts = ["a fox", "a very different text"]
    both = client.embed(model=ECHO, input=texts)
    assert len(both.embeddings) == 2 and both.prompt_eval_count > 0, both
    for vector in both.embeddings:
        assert abs(math.hypot(*vector) - 1) < 1e-4
    assert client.embed(model=ECHO, input=texts[0]).embeddings[0] == both.embeddings[0]
    assert client.embeddings(model=ECHO, prompt=texts[0]).embedding == both.embeddings[0]
    shorter = client.embed(model=ECHO, input=texts[0], dimensions=4).embeddings[0]
    assert len(shorter) == 4 and abs(math.hypot(*shorter) - 1) < 1e-4, shorter


@check
def models_are_listed_and_shown():
    listed = {model.model: model for model in client.list().models}
    assert {ECHO, STORY} <= listed.keys(), listed
    story = listed[STORY]
    assert story.size > 1_000_000 and story.modified_at.year > 2000, story
    assert (story.details.format, story.details.family) == ("gguf", "llama"), story
    assert story.details.parameter_size.endswith("M") and story.details.quantization_level, story
    shown = client.show(STORY)
    assert shown.details == story.details, shown
    assert {"completion", "tools"} <= set(shown.capabilities), shown
    assert shown.modelinfo["general.architecture"] == "llama" and shown.modelinfo["llama.context_length"] > 0, shown
    assert client.show(f"{STORY}:latest").details == story.details


@check
def models_come_and_go():
    loaded = client.generate(model=ECHO, keep_alive="10m")
    assert (loaded.done, loaded.done_reason, loaded.response) == (True, "load", ""), loaded
    (here,) = running(ECHO)
    assert here.size > 0 and here.context_length > 0, here
    left = here.expires_at.timestamp() - time.time()
    assert 500 < left < 620, here
    client.chat(model=ECHO, messages=SAID, keep_alive=-1)
    (here,) = running(ECHO)
    assert here.expires_at.year == 9999, here
    gone = client.chat(model=ECHO, keep_alive=0)
    assert gone.done_reason == "unload", gone
    deadline = time.time() + 30
    while running(ECHO) and time.time() < deadline:
        time.sleep(0.05)
    assert not running(ECHO)
    # Asked for, answered, and gone.
    assert client.chat(model=ECHO, messages=SAID, keep_alive="0s").message.content == "one two three four five"
    while running(ECHO) and time.time() < deadline:
        time.sleep(0.05)
    assert not running(ECHO)
    client.chat(model=ECHO, messages=SAID, keep_alive="5m")
    assert running(ECHO)


@check
def several_at_once():
    async def all_of_them():
        several = ollama.AsyncClient(host=URL, headers=HEADERS)

        async def one(number):
            said = [{"role": "user", "content": f"number {number}"}]
            stream = await several.chat(model=ECHO, messages=said, stream=True)
            return "".join([chunk.message.content async for chunk in stream])

        return await asyncio.gather(*(one(number) for number in range(16)))

    assert asyncio.run(all_of_them()) == [f"number {number}" for number in range(16)]


@check
def what_is_wrong_is_said():
    near = refused(404, lambda: client.chat(model=STORY[:-1], messages=SAID))
    assert "not found" in near and STORY in near, near
    assert "not found" in refused(404, lambda: client.generate(model="no-such-model", prompt="a"))
    assert "not found" in refused(404, lambda: client.show("no-such-model"))
    assert "not found" in refused(404, lambda: list(client.chat(model="no-such-model", messages=SAID, stream=True)))
    assert "pirate" in refused(400, lambda: client.chat(model=ECHO, messages=[{"role": "pirate", "content": "arr"}]))
    assert "temperature" in refused(400, lambda: client.chat(model=ECHO, messages=SAID, options={"temperature": 9.0}))
    assert "thinking" in refused(400, lambda: client.chat(model=ECHO, messages=SAID, think=True))
    long = [{"role": "user", "content": "word " * 5000}]
    refused(400, lambda: client.chat(model=STORY, messages=long))
    assert "models list" in refused(404, lambda: client.pull("llama3"))
    stranger = ollama.Client(host=URL, headers={"authorization": "Bearer inf-wrong"})
    refused(401, stranger.list)


tell(f"ollama {version('ollama')}")
