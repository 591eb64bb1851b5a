"""`inferno serve` as the official openai client for Python sees it, unmodified: tools, formats, likelihoods, responses."""

import json
import math
import time
import urllib.error
import urllib.request

import openai
from harness import BASE_URL, ECHO, KEY, STORY, check, client, main, refused
from pydantic import BaseModel

WEATHER = [{"role": "user", "content": "What is the weather in Paris?"}]
FUNCTION = {
    "name": "get_weather",
    "description": "Get the weather in a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
TOOLS = [{"type": "function", "function": FUNCTION}]


class Animal(BaseModel):
    name: str
    animal: str


def plain(path, body):
    """What no client of OpenAI's knows: the answer to a request, and its status."""
    request = urllib.request.Request(
        BASE_URL.removesuffix("/v1") + path,
        data=json.dumps(body).encode(),
        headers={"authorization": f"Bearer {KEY}", "content-type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


@check
def a_tool_is_called_and_its_result_is_used():
    ask = {"model": STORY, "tools": TOOLS, "temperature": 0}
    answer = client.chat.completions.create(messages=WEATHER, **ask)
    choice = answer.choices[0]
    assert choice.finish_reason == "tool_calls", choice
    (call,) = choice.message.tool_calls
    assert call.type == "function" and call.id, call
    assert call.function.name == "get_weather" and json.loads(call.function.arguments) == {"city": "Paris"}, call
    result = {"role": "tool", "tool_call_id": call.id, "content": '{"temperature": 21, "sky": "sunny"}'}
    said = client.chat.completions.create(messages=[*WEATHER, choice.message, result], **ask).choices[0]
    assert "21" in said.message.content and "Paris" in said.message.content, said


@check
def calls_stream():
    stream = client.chat.completions.create(model=STORY, messages=WEATHER, tools=TOOLS, temperature=0, stream=True)
    deltas = [choice for chunk in stream for choice in chunk.choices]
    calls = [call for choice in deltas for call in choice.delta.tool_calls or []]
    assert calls[0].id and calls[0].function.name == "get_weather", calls[0]
    assert all(call.index == 0 and call.id is None for call in calls[1:]), calls
    assert json.loads("".join(call.function.arguments or "" for call in calls)) == {"city": "Paris"}, calls
    assert [choice.finish_reason for choice in deltas if choice.finish_reason] == ["tool_calls"], deltas
    with client.chat.completions.stream(model=STORY, messages=WEATHER, tools=TOOLS, temperature=0) as helper:
        (call,) = helper.get_final_completion().choices[0].message.tool_calls
    assert json.loads(call.function.arguments) == {"city": "Paris"}, call


@check
def a_tool_choice_is_obeyed():
    ask = {"model": STORY, "messages": [{"role": "user", "content": "Tell me a story."}], "tools": TOOLS, "max_tokens": 60}
    for choice in ["required", {"type": "function", "function": {"name": "get_weather"}}]:
        message = client.chat.completions.create(**ask, tool_choice=choice).choices[0].message
        assert message.tool_calls[0].function.name == "get_weather", message
    none = client.chat.completions.create(**ask | {"messages": WEATHER}, tool_choice="none").choices[0].message
    assert none.tool_calls is None and none.content, none
    old = client.chat.completions.create(model=STORY, messages=WEATHER, functions=[FUNCTION], temperature=0).choices[0]
    assert old.finish_reason == "function_call" and old.message.function_call.name == "get_weather", old


@check
def a_schema_is_kept_to():
    said = [{"role": "user", "content": "Extract name and animal as JSON: Mia the fox lives in a barn."}]
    answer = client.chat.completions.parse(model=STORY, messages=said, response_format=Animal, max_tokens=60)
    assert isinstance(answer.choices[0].message.parsed, Animal), answer
    odd = {"type": "object", "properties": {"z": {"enum": [7]}, "a": {"type": "boolean"}}, "required": ["z", "a"]}
    schema = {"type": "json_schema", "json_schema": {"name": "odd", "schema": odd, "strict": True}}
    for stream in (False, True):
        answer = client.chat.completions.create(model=STORY, messages=said, response_format=schema, stream=stream)
        chunks = [choice.delta.content for chunk in answer for choice in chunk.choices] if stream else []
        text = "".join(piece or "" for piece in chunks) if stream else answer.choices[0].message.content
        assert set(json.loads(text)) == {"z", "a"} and json.loads(text)["z"] == 7, text
    some = client.chat.completions.create(
        model=STORY, messages=said, response_format={"type": "json_object"}, max_tokens=100, temperature=0
    )
    assert isinstance(json.loads(some.choices[0].message.content), dict), some


@check
def likelihoods_are_told():
    ask = {"model": STORY, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 8, "temperature": 0}
    choice = client.chat.completions.create(**ask, logprobs=True, top_logprobs=3).choices[0]
    tokens = choice.logprobs.content
    assert "".join(token.token for token in tokens).startswith(choice.message.content), choice
    for token in tokens:
        assert len(token.top_logprobs) == 3 and token.logprob == token.top_logprobs[0].logprob <= 0, token
        assert bytes(token.bytes).decode(errors="replace") == token.token, token
    streamed = client.chat.completions.create(**ask, logprobs=True, stream=True)
    parts = [c.logprobs.content for chunk in streamed for c in chunk.choices if c.logprobs]
    assert [token.token for part in parts for token in part] == [token.token for token in tokens], parts
    old = client.completions.create(model=STORY, prompt="Once upon", max_tokens=5, logprobs=2, temperature=0).choices[0]
    told = old.logprobs
    assert len(told.tokens) == len(told.token_logprobs) == len(told.top_logprobs) == len(told.text_offset) == 5, told
    assert told.text_offset[0] == 0 and max(told.top_logprobs[0].values()) == told.token_logprobs[0], told


@check
def a_bias_makes_a_token_certain_or_impossible():
    status, answer = plain("/tokenize", {"model": STORY, "content": " fox"})
    assert status == 200, answer
    token = answer["tokens"][0]
    ask = {"model": STORY, "prompt": "Once upon a time", "max_tokens": 1, "temperature": 0}
    biased = client.completions.create(**ask, logit_bias={str(token): 100}).choices[0].text
    assert biased and " fox".startswith(biased), biased
    status, answer = plain("/detokenize", {"model": STORY, "tokens": [token]})
    assert (status, answer["content"]) == (200, biased), answer
    status, answer = plain("/tokenize", {"model": STORY, "content": "a fox", "with_pieces": True})
    assert "".join(token["piece"] for token in answer["tokens"]) == "a fox", answer


@check
def several_answers_come_at_once():
    ask = {"model": STORY, "messages": [{"role": "user", "content": "Tell me a story."}], "max_tokens": 12}
    answer = client.chat.completions.create(**ask, n=3, seed=5, temperature=1)
    assert [choice.index for choice in answer.choices] == [0, 1, 2], answer
    texts = [choice.message.content for choice in answer.choices]
    assert len(set(texts)) > 1, texts
    streamed = ["", "", ""]
    for chunk in client.chat.completions.create(**ask, n=3, seed=5, temperature=1, stream=True):
        for choice in chunk.choices:
            streamed[choice.index] += choice.delta.content or ""
    assert streamed == texts, (streamed, texts)
    alone = client.chat.completions.create(**ask, seed=6, temperature=1).choices[0].message.content
    assert alone == texts[1], "the second has the next seed"
    echoed = client.completions.create(model=ECHO, prompt=["a b", "c"], n=2, echo=True)
    assert [choice.text for choice in echoed.choices] == ["a ba b", "a ba b", "cc", "cc"], echoed


@check
def what_the_model_lacks_is_said():
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    said = [{"role": "user", "content": [picture]}]
    error = refused(openai.BadRequestError, 400, lambda: client.chat.completions.create(model=STORY, messages=said))
    assert "vision" in error.message, error
    status, answer = plain("/v1/rerank", {"model": STORY, "query": "a fox", "documents": ["one", "two"]})
    assert status == 400 and STORY in answer["error"]["message"], answer


@check
def a_response_is_made_kept_and_gone_on_from():
    first = client.responses.create(model=ECHO, input="one two", instructions="Say it.", metadata={"a": "b"})
    assert first.status == "completed" and first.output_text == "one two", first
    assert first.usage.output_tokens == 2 and first.metadata == {"a": "b"} and first.store, first
    kept = client.responses.retrieve(first.id)
    assert kept.output_text == "one two" and kept.id == first.id, kept
    second = client.responses.create(model=ECHO, input="three", previous_response_id=first.id)
    assert second.previous_response_id == first.id, second
    assert second.usage.input_tokens > first.usage.input_tokens, (first.usage, second.usage)
    items = list(client.responses.input_items.list(second.id))
    assert [item.content[0].text for item in items] == ["three"], items
    client.responses.delete(first.id)
    refused(openai.NotFoundError, 404, lambda: client.responses.retrieve(first.id))
    go_on = lambda: client.responses.create(model=ECHO, input="four", previous_response_id=second.id)
    error = refused(openai.NotFoundError, 404, go_on)
    assert error.param == "previous_response_id", error.body
    loose = client.responses.create(model=ECHO, input="five", store=False)
    refused(openai.NotFoundError, 404, lambda: client.responses.retrieve(loose.id))


@check
def a_response_streams():
    events = list(client.responses.create(model=ECHO, input="one two three", stream=True))
    assert [event.sequence_number for event in events] == list(range(len(events))), events
    assert events[0].type == "response.created" and events[-1].type == "response.completed", events
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert text == "one two three" == events[-1].response.output_text, events
    assert client.responses.retrieve(events[0].response.id).output_text == text, "what streams is kept too"
    with client.responses.stream(model=ECHO, input="one two") as stream:
        assert stream.get_final_response().output_text == "one two"
    short = client.responses.create(model=ECHO, input="one two three", max_output_tokens=2)
    assert (short.status, short.incomplete_details.reason) == ("incomplete", "max_output_tokens"), short


@check
def a_response_calls_tools_and_keeps_to_schemas():
    tools = [{"type": "function", **FUNCTION, "strict": True}]
    first = client.responses.create(model=STORY, input=WEATHER, tools=tools, temperature=0)
    (call,) = [item for item in first.output if item.type == "function_call"]
    assert json.loads(call.arguments) == {"city": "Paris"}, call
    result = {"type": "function_call_output", "call_id": call.call_id, "output": '{"temperature": 21, "sky": "sunny"}'}
    ask = {"model": STORY, "tools": tools, "temperature": 0}
    said = client.responses.create(input=[result], previous_response_id=first.id, **ask)
    assert "21" in said.output_text, said
    events = client.responses.create(input=WEATHER, stream=True, **ask)
    done = [event for event in events if event.type == "response.function_call_arguments.done"]
    assert [json.loads(event.arguments) for event in done] == [{"city": "Paris"}], done
    parsed = client.responses.parse(model=STORY, input="Mia the fox.", text_format=Animal, max_output_tokens=60)
    assert isinstance(parsed.output_parsed, Animal), parsed
    told = client.responses.create(
        model=STORY, input="Hello", include=["message.output_text.logprobs"], top_logprobs=2, max_output_tokens=3
    )
    tokens = told.output[0].content[0].logprobs
    assert tokens and all(len(token.top_logprobs) == 2 and math.isfinite(token.logprob) for token in tokens), told


@check
def a_batch_is_uploaded_worked_on_and_read():
    def line(number, **changes):
        body = {"model": ECHO, "messages": [{"role": "user", "content": f"say {number}"}]} | changes
        return json.dumps({"custom_id": f"r{number}", "method": "POST", "url": "/v1/chat/completions", "body": body})

    lines = [line(1), line(2, model="none"), line(3)]
    file = client.files.create(file=("in.jsonl", "\n".join(lines).encode()), purpose="batch")
    assert (file.purpose, file.filename, file.status) == ("batch", "in.jsonl", "processed"), file
    assert client.files.retrieve(file.id) == file and file in list(client.files.list(limit=1)), file
    batch = client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h", metadata={"a": "b"}
    )
    deadline = time.monotonic() + 60
    while batch.status not in ("completed", "failed") and time.monotonic() < deadline:
        time.sleep(0.05)
        batch = client.batches.retrieve(batch.id)
    assert batch.status == "completed" and batch.metadata == {"a": "b"}, batch
    counts = batch.request_counts
    assert (counts.total, counts.completed, counts.failed) == (3, 2, 1), counts
    answers = [json.loads(text) for text in client.files.content(batch.output_file_id).text.splitlines()]
    said = {a["custom_id"]: a["response"]["body"]["choices"][0]["message"]["content"] for a in answers}
    assert said == {"r1": "say 1", "r3": "say 3"}, said
    (refusal,) = [json.loads(text) for text in client.files.content(batch.error_file_id).text.splitlines()]
    assert (refusal["custom_id"], refusal["response"]["status_code"]) == ("r2", 404), refusal
    assert batch.id in [one.id for one in client.batches.list(limit=2)], "it is listed"
    error = refused(openai.BadRequestError, 400, lambda: client.batches.cancel(batch.id))
    assert "completed" in error.message, error
    assert client.files.delete(file.id).deleted
    refused(openai.NotFoundError, 404, lambda: client.files.retrieve(file.id))
    upload = lambda: client.files.create(file=("a.txt", b"x"), purpose="assistants")
    assert refused(openai.BadRequestError, 400, upload).param == "purpose"


main()
