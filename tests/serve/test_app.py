"""The server as OpenAI's own client sees it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import openai
import pytest

from luthier.data.example import IGNORED
from luthier.data.sample import Message
from luthier.data.template import ChatTemplate
from luthier.models.chat_model import ChatModel, Piece
from luthier.models.generate import Sampling
from tests.models.tiny_chat import make_chat_tokenizer, save_chat_folder
from tests.serve.running import Running, running_server, wait_until

ASK: list[Any] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "What is the time? 你好"},
]
GREEDY: dict[str, Any] = {"model": "tiny", "temperature": 0}
TOOL = {
    "type": "function",
    "function": {
        "name": "get_time",
        "description": "The time.",
        "parameters": {"type": "object", "properties": {}},
    },
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ChatModel:
    return ChatModel.from_folder(save_chat_folder(tmp_path_factory.mktemp("served") / "model"))


@pytest.fixture(scope="module")
def server(model: ChatModel) -> Iterator[Running]:
    with running_server(model) as running:
        yield running


@pytest.fixture(scope="module")
def client(server: Running) -> openai.OpenAI:
    return server.client()


class TestChat:
    def test_answer_and_usage_are_the_models(self, client: openai.OpenAI, model: ChatModel) -> None:
        answer = client.chat.completions.create(**GREEDY, messages=ASK, max_tokens=20)
        prompt = model.prompt_ids([Message(turn["role"], turn["content"]) for turn in ASK])
        pieces = list(model.stream(prompt, Sampling(max_new_tokens=20)))
        assert answer.choices[0].message.content == "".join(piece.text for piece in pieces)
        assert answer.choices[0].message.role == "assistant"
        assert answer.usage is not None
        assert answer.usage.prompt_tokens == len(prompt)
        assert answer.usage.completion_tokens == pieces[-1].num_tokens
        assert answer.usage.total_tokens == len(prompt) + pieces[-1].num_tokens
        assert (answer.model, answer.object) == ("tiny", "chat.completion")

    def test_stream_joins_to_the_whole_answer(self, client: openai.OpenAI) -> None:
        whole = client.chat.completions.create(**GREEDY, messages=ASK, max_tokens=30).choices[0]
        chunks = list(client.chat.completions.create(**GREEDY, messages=ASK, max_tokens=30, stream=True))
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == whole.message.content
        assert chunks[0].choices[0].delta.role == "assistant"
        assert [chunk.choices[0].finish_reason for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
        assert chunks[-1].choices[0].finish_reason == whole.finish_reason
        assert len({chunk.id for chunk in chunks}) == 1
        assert all(chunk.usage is None for chunk in chunks)
        assert len(chunks) > 5

    def test_stream_ends_with_usage_where_asked(self, client: openai.OpenAI) -> None:
        whole = client.chat.completions.create(**GREEDY, messages=ASK, max_tokens=9)
        asked: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}
        *chunks, last = client.chat.completions.create(**GREEDY, messages=ASK, max_tokens=9, **asked)
        assert last.choices == [] and last.usage is not None and whole.usage is not None
        assert last.usage.model_dump() == whole.usage.model_dump()
        assert all(chunk.usage is None for chunk in chunks)

    @pytest.mark.parametrize("limit", ["max_tokens", "max_completion_tokens"])
    def test_limit_cuts_and_says_so(self, client: openai.OpenAI, limit: str) -> None:
        answer = client.chat.completions.create(**GREEDY, messages=ASK, **{limit: 4})
        assert answer.choices[0].finish_reason == "length"
        assert answer.usage is not None and answer.usage.completion_tokens == 4

    def test_stop_string(self, client: openai.OpenAI) -> None:
        text = (
            client.chat.completions.create(**GREEDY, messages=ASK, max_tokens=30).choices[0].message.content
        )
        assert text and len(text) > 8
        stop = text[5:7]
        cut = client.chat.completions.create(**GREEDY, messages=ASK, max_tokens=30, stop=stop).choices[0]
        assert cut.message.content == text[: text.index(stop)]
        assert cut.finish_reason == "stop"
        stream = client.chat.completions.create(
            **GREEDY, messages=ASK, max_tokens=30, stop=[stop, "never"], stream=True
        )
        assert "".join(c.choices[0].delta.content or "" for c in stream) == cut.message.content

    def test_seed_reproduces(self, client: openai.OpenAI) -> None:
        def ask(seed: int, **more: Any) -> Any:
            asked = {"model": "tiny", "messages": ASK, "max_tokens": 16, "seed": seed, **more}
            return client.chat.completions.create(**asked).choices[0].message.content

        assert ask(1) == ask(1)  # temperature 1 is OpenAI's default
        assert ask(1) != ask(2)
        assert ask(1, temperature=0) == ask(2, temperature=0)
        assert ask(1, top_p=1e-6) == ask(1, temperature=0)

    def test_content_in_parts_is_the_same_question(self, client: openai.OpenAI) -> None:
        parts: list[Any] = [
            {"role": "developer", "content": "Be brief."},
            {
                "role": "user",
                "content": [{"type": "text", "text": "What is the time? "}, {"type": "text", "text": "你好"}],
            },
        ]
        answers = [client.chat.completions.create(**GREEDY, messages=m, max_tokens=12) for m in (ASK, parts)]
        assert answers[0].choices == answers[1].choices and answers[0].usage == answers[1].usage

    def test_fed_tokens_are_those_of_training(self, server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
        fed: list[list[int]] = []
        plain = server.model.stream
        monkeypatch.setattr(server.model, "stream", lambda ids, s: fed.append(list(ids)) or plain(ids, s))
        call = {
            "id": "1",
            "type": "function",
            "function": {"name": "get_time", "arguments": '{"zone": "UTC"}'},
        }
        turns: list[Any] = [
            *ASK,
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "1", "content": "12:00"},
        ]
        server.client().chat.completions.create(**GREEDY, messages=turns, tools=[TOOL], max_tokens=1)  # type: ignore[call-overload]
        messages = [
            Message("system", ASK[0]["content"]),
            Message("user", ASK[1]["content"]),
            Message("assistant", "", tool_calls=({"name": "get_time", "arguments": {"zone": "UTC"}},)),
            Message("tool", "12:00"),
        ]
        template = ChatTemplate(make_chat_tokenizer())
        tools = [TOOL["function"]]
        assert fed == [template.prompt_ids(messages, tools)]  # type: ignore[arg-type]
        trained = template.encode([*messages, Message("assistant", "It is noon.")], tools, "last_turn")  # type: ignore[arg-type]
        assert trained.input_ids[: len(fed[0])] == fed[0]
        first = next(n for n, label in enumerate(trained.labels) if label != IGNORED)
        assert first == len(fed[0])


class TestTools:
    SAID = 'Wait.\n<tool_call>\n{"name": "get_time", "arguments": {"zone": "格林"}}\n</tool_call>'

    @pytest.fixture
    def says_a_call(self, model: ChatModel, monkeypatch: pytest.MonkeyPatch) -> None:
        def stream(prompt: Any, sampling: Sampling) -> Iterator[Piece]:
            half = len(self.SAID) // 2
            yield Piece(self.SAID[:half], 3)
            yield Piece(self.SAID[half:], 6, "stop")

        monkeypatch.setattr(model, "stream", stream)

    def _check(self, calls: Any) -> None:
        (call,) = calls
        assert call.type == "function" and call.id
        assert call.function.name == "get_time"
        assert json.loads(call.function.arguments) == {"zone": "格林"}

    @pytest.mark.usefixtures("says_a_call")
    def test_call_is_parsed(self, client: openai.OpenAI) -> None:
        tools: Any = [TOOL]
        choice = client.chat.completions.create(**GREEDY, messages=ASK, tools=tools).choices[0]
        assert (choice.finish_reason, choice.message.content) == ("tool_calls", "Wait.")
        self._check(choice.message.tool_calls)

    @pytest.mark.usefixtures("says_a_call")
    def test_call_is_parsed_in_a_stream(self, client: openai.OpenAI) -> None:
        tools: Any = [TOOL]
        chunks = list(client.chat.completions.create(**GREEDY, messages=ASK, tools=tools, stream=True))
        deltas = [chunk.choices[0].delta for chunk in chunks]
        calls = [call for delta in deltas for call in delta.tool_calls or ()]
        self._check(calls)
        assert calls[0].index == 0
        assert "".join(delta.content or "" for delta in deltas) == "Wait."
        assert chunks[-1].choices[0].finish_reason == "tool_calls"

    @pytest.mark.usefixtures("says_a_call")
    @pytest.mark.parametrize("more", [{}, {"tools": [TOOL], "tool_choice": "none"}, {"tools": []}])
    def test_without_tools_it_stays_text(self, client: openai.OpenAI, more: Any) -> None:
        choice = client.chat.completions.create(**GREEDY, messages=ASK, **more).choices[0]
        assert (choice.finish_reason, choice.message.content) == ("stop", self.SAID)
        assert choice.message.tool_calls is None

    def test_text_with_tools_offered_stays_text(self, client: openai.OpenAI) -> None:
        tools: Any = [TOOL]
        choice = client.chat.completions.create(**GREEDY, messages=ASK, tools=tools, max_tokens=5).choices[0]
        stream = client.chat.completions.create(
            **GREEDY, messages=ASK, tools=tools, max_tokens=5, stream=True
        )
        assert choice.finish_reason == "length"
        assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == choice.message.content


class TestCompletions:
    def test_text_and_tokens_continue_alike(self, client: openai.OpenAI, model: ChatModel) -> None:
        by_text = client.completions.create(**GREEDY, prompt="The fox", max_tokens=8)
        by_ids = client.completions.create(**GREEDY, prompt=model.text_ids("The fox"), max_tokens=8)
        pieces = list(model.stream(model.text_ids("The fox"), Sampling(max_new_tokens=8)))
        assert by_text.choices[0].text == by_ids.choices[0].text == "".join(p.text for p in pieces)
        assert by_text.usage is not None and by_text.usage.prompt_tokens == len(model.text_ids("The fox"))
        assert by_text.object == "text_completion"

    def test_several_prompts(self, client: openai.OpenAI) -> None:
        both = client.completions.create(**GREEDY, prompt=["The fox", "It is"], max_tokens=6)
        each = [client.completions.create(**GREEDY, prompt=p, max_tokens=6) for p in ("The fox", "It is")]
        assert [choice.text for choice in both.choices] == [one.choices[0].text for one in each]
        assert [choice.index for choice in both.choices] == [0, 1]
        assert both.usage is not None
        assert both.usage.total_tokens == sum(one.usage.total_tokens for one in each if one.usage)

    def test_stream(self, client: openai.OpenAI) -> None:
        whole = client.completions.create(**GREEDY, prompt="The fox", max_tokens=20).choices[0]
        chunks = list(client.completions.create(**GREEDY, prompt="The fox", max_tokens=20, stream=True))
        assert "".join(chunk.choices[0].text for chunk in chunks) == whole.text
        assert chunks[-1].choices[0].finish_reason == whole.finish_reason

    def test_sixteen_tokens_unless_asked(self, client: openai.OpenAI) -> None:
        answer = client.completions.create(**GREEDY, prompt="The fox")
        assert answer.usage is not None and answer.usage.completion_tokens == 16


class TestOtherPaths:
    def test_models(self, client: openai.OpenAI) -> None:
        assert [card.id for card in client.models.list()] == ["tiny"]
        assert client.models.retrieve("tiny").owned_by == "luthier"
        with pytest.raises(openai.NotFoundError):
            client.models.retrieve("other/model")

    def test_health(self, server: Running) -> None:
        wait_until(lambda: server.engine.load.running == 0)
        answer = httpx.get(f"{server.url}/health")
        assert answer.json() == {"status": "ok", "model": "tiny", "waiting": 0, "running": 0}

    @pytest.mark.parametrize(
        ("method", "path", "status"), [("GET", "/v1/nothing", 404), ("PUT", "/v1/models", 405)]
    )
    def test_unknown_path(self, server: Running, method: str, path: str, status: int) -> None:
        answer = httpx.request(method, server.url + path)
        assert answer.status_code == status
        assert path in answer.json()["error"]["message"]


def _refused(server: Running, body: Any, path: str = "/v1/chat/completions") -> dict[str, Any]:
    content = body if isinstance(body, str) else json.dumps(body)
    answer = httpx.post(server.url + path, content=content, headers={"content-type": "application/json"})
    assert answer.status_code == 400, answer.text
    error: dict[str, Any] = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error" and error["message"]
    return error


GOOD: dict[str, Any] = {"model": "tiny", "messages": ASK, "max_tokens": 1}


class TestRefusals:
    def test_unknown_model(self, client: openai.OpenAI) -> None:
        with pytest.raises(openai.NotFoundError) as caught:
            client.chat.completions.create(model="gpt-4", messages=ASK)
        assert (caught.value.code, caught.value.param) == ("model_not_found", "model")
        assert "tiny" in caught.value.message

    @pytest.mark.parametrize("stream", [False, True])
    def test_too_long_a_prompt(self, client: openai.OpenAI, stream: bool) -> None:
        turns: Any = [{"role": "user", "content": "fox " * 600}]
        with pytest.raises(openai.BadRequestError) as caught:
            client.chat.completions.create(**GREEDY, messages=turns, stream=stream)  # type: ignore[call-overload]
        assert (caught.value.code, caught.value.param) == ("context_length_exceeded", "messages")
        assert "512" in caught.value.message

    def test_too_long_a_text_names_the_prompt(self, client: openai.OpenAI) -> None:
        with pytest.raises(openai.BadRequestError) as caught:
            client.completions.create(**GREEDY, prompt="fox " * 600)
        assert (caught.value.code, caught.value.param) == ("context_length_exceeded", "prompt")

    def test_last_position_may_be_used_and_no_further(self, client: openai.OpenAI, model: ChatModel) -> None:
        prompt = [50] * (model.max_positions - 3)
        assert client.completions.create(**GREEDY, prompt=prompt, max_tokens=3).choices
        with pytest.raises(openai.BadRequestError, match="and 4 in the completion"):
            client.completions.create(**GREEDY, prompt=prompt, max_tokens=4)

    @pytest.mark.parametrize(
        ("change", "param"),
        [
            ({"temperature": -1}, "temperature"),
            ({"temperature": "warm"}, "temperature"),
            ({"top_p": 0}, "top_p"),
            ({"max_tokens": 0}, "max_tokens"),
            ({"n": 2}, "n"),
            ({"stop": 3}, "stop"),
            ({"seed": 2**70}, "seed"),
            ({"presence_penalty": 0.5}, "presence_penalty"),
            ({"response_format": {"type": "json_object"}}, "response_format"),
            ({"logit_bias": {"5": 1}}, "logit_bias"),
            ({"temprature": 0}, "temprature"),
            ({"tool_choice": "required"}, "tool_choice"),
            ({"tools": [{"type": "function", "function": {}}]}, "tools"),
            ({"stream_options": {"include_usage": True}}, "stream_options"),
            ({"messages": []}, "messages"),
            ({"messages": "hello"}, "messages"),
            ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0]"),
            ({"messages": [{"role": "user"}]}, "messages[0].content"),
            ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages[0].content"),
            ({"messages": [ASK[1], {"role": "assistant", "tool_calls": [{}]}]}, "messages[1].tool_calls"),
            ({"messages": [ASK[1], {"role": "assistant", "tool_calls": 1}]}, "messages[1].tool_calls"),
        ],
    )
    def test_fault_names_its_parameter(self, server: Running, change: dict[str, Any], param: str) -> None:
        error = _refused(server, {**GOOD, **change})
        assert error["param"] == param
        assert param.split("[")[0] in error["message"] or "tool" in error["message"]

    @pytest.mark.parametrize("body", ["{", "[]", "null", "", '{"model": "tiny"'])
    def test_malformed_body(self, server: Running, body: str) -> None:
        assert _refused(server, body)["param"] is None

    @pytest.mark.parametrize("prompt", ["", [], [[]], [""], [10**6], [-1], [[5], [10**6]], [1.5], {}])
    def test_prompt_that_cannot_be_continued(self, server: Running, prompt: Any) -> None:
        assert _refused(server, {"model": "tiny", "prompt": prompt}, "/v1/completions")["param"] == "prompt"

    def test_good_request_is_not_refused(self, server: Running) -> None:
        more = {
            "n": 1,
            "stop": None,
            "presence_penalty": 0,
            "logprobs": False,
            "response_format": {"type": "text"},
            "user": "me",
        }
        assert httpx.post(f"{server.url}/v1/chat/completions", json={**GOOD, **more}).status_code == 200

    def test_failure_of_the_model_is_a_server_error(
        self, client: openai.OpenAI, model: ChatModel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(prompt: Any, sampling: Any) -> Iterator[Piece]:
            yield Piece("It", 1)
            raise ValueError("a bug")

        monkeypatch.setattr(model, "stream", fail)
        with pytest.raises(openai.InternalServerError, match="a bug"):
            client.chat.completions.create(**GREEDY, messages=ASK)
        with pytest.raises(openai.APIError, match="a bug"):
            list(client.chat.completions.create(**GREEDY, messages=ASK, stream=True))
        monkeypatch.undo()
        assert client.chat.completions.create(**GREEDY, messages=ASK, max_tokens=1).choices


def test_api_key(model: ChatModel) -> None:
    with running_server(model, api_key="a-key") as server:
        assert server.client(api_key="a-key").models.list().data
        for wrong in ("other", "a-key2", "a-ke"):
            with pytest.raises(openai.AuthenticationError) as caught:
                server.client(api_key=wrong).chat.completions.create(**GREEDY, messages=ASK, max_tokens=1)
            assert caught.value.code == "invalid_api_key"
        assert httpx.get(f"{server.url}/v1/models").status_code == 401
        assert httpx.get(f"{server.url}/health").status_code == 200


class _Slow:
    """Makes a model's answers wait at every token until it is let go, and counts who is in it."""

    def __init__(self, model: ChatModel, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go = threading.Event()
        self.inside = 0
        self.most_inside = 0
        self.num_pieces = 0
        self._plain = model.stream
        self._lock = threading.Lock()
        monkeypatch.setattr(model, "stream", self._stream)

    def _count(self, change: int) -> None:
        with self._lock:
            self.inside += change
            self.most_inside = max(self.most_inside, self.inside)

    def _stream(self, prompt: Any, sampling: Sampling) -> Iterator[Piece]:
        self._count(1)
        try:
            for piece in self._plain(prompt, sampling):
                self.num_pieces += 1
                yield piece
                assert self.go.wait(20)
        finally:
            self._count(-1)


class TestManyCallers:
    def test_all_are_answered_one_at_a_time(
        self, client: openai.OpenAI, model: ChatModel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def ask(number: int) -> Any:
            turns: Any = [{"role": "user", "content": f"The fox {number}"}]
            answer = client.chat.completions.create(**GREEDY, messages=turns, max_tokens=8)
            return answer.choices[0].message.content

        expected = [ask(number) for number in range(10)]
        assert len(set(expected)) > 5
        slow = _Slow(model, monkeypatch)
        slow.go.set()
        with ThreadPoolExecutor(10) as callers:
            assert list(callers.map(ask, range(10))) == expected
        assert slow.most_inside == 1

    @pytest.mark.parametrize("max_waiting", [0, 2])
    def test_full_queue_refuses(
        self, model: ChatModel, monkeypatch: pytest.MonkeyPatch, max_waiting: int
    ) -> None:
        slow = _Slow(model, monkeypatch)
        with running_server(model, max_waiting=max_waiting) as server, ThreadPoolExecutor(3) as callers:
            ask = lambda: server.client().chat.completions.create(**GREEDY, messages=ASK, max_tokens=2)  # noqa: E731
            try:
                served = [callers.submit(ask)]
                wait_until(lambda: server.engine.load.running == 1)
                served += [callers.submit(ask) for _ in range(max_waiting)]
                wait_until(lambda: httpx.get(f"{server.url}/health").json()["waiting"] == max_waiting)
                for stream in (False, True):
                    with pytest.raises(openai.RateLimitError) as caught:
                        server.client().chat.completions.create(**GREEDY, messages=ASK, stream=stream)  # type: ignore[call-overload]
                    assert caught.value.code == "rate_limit_exceeded"
            finally:
                slow.go.set()
            assert all(answer.result().choices for answer in served)
            wait_until(lambda: server.engine.load.running == 0)
            assert ask().choices

    @pytest.mark.parametrize("stream", [True, False])
    def test_caller_that_leaves_frees_the_model(
        self, server: Running, monkeypatch: pytest.MonkeyPatch, stream: bool
    ) -> None:
        whole = list(server.model.stream(server.model.text_ids("x"), Sampling(max_new_tokens=400)))
        assert len(whole) > 100
        slow = _Slow(server.model, monkeypatch)
        body = {**GREEDY, "messages": ASK, "max_tokens": 400, "stream": stream}
        with httpx.Client() as leaving:
            request = leaving.build_request(
                "POST", f"{server.url}/v1/chat/completions", json=body, timeout=0.5
            )
            if stream:
                answer = leaving.send(request, stream=True)
                next(answer.iter_lines())
                answer.close()
            else:
                with pytest.raises(httpx.ReadTimeout):
                    leaving.send(request)
        with ThreadPoolExecutor(1) as callers:
            ask = lambda: server.client().chat.completions.create(**GREEDY, messages=ASK, max_tokens=2)  # noqa: E731
            following = callers.submit(ask)
            try:
                wait_until(lambda: server.engine.load.waiting == 1)
                assert slow.inside == 1  # the next request waits for the thread, not only for the caller
            finally:
                slow.go.set()
            assert following.result(timeout=20).choices
        assert slow.most_inside == 1
        # The first answer would have had hundreds of pieces; it ended at its caller's leave.
        assert slow.num_pieces < 100
        wait_until(lambda: slow.inside == 0 and server.engine.load.running == 0)
