"""Several adapters behind one server: each request is answered by the one that it names, and by no other."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from openai import NotFoundError

from luthier.models.adapters import load_chat_models
from luthier.models.chat_model import ChatModel
from luthier.models.generate import Sampling
from tests.models.tiny_adapters import save_adapter
from tests.models.tiny_chat import save_chat_folder
from tests.serve.running import running_server

MESSAGES: list[Any] = [{"role": "user", "content": "What is the time?"}]


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, ChatModel]:
    monkeypatch.setenv("LUTHIER_HOME", str(tmp_path / "home"))
    base = save_chat_folder(tmp_path / "base")
    adapters = {name: save_adapter(base, tmp_path / name, seed) for seed, name in enumerate("ab", start=1)}
    return load_chat_models(base, "tiny", adapters)


def test_requests_at_once_are_answered_by_the_model_they_name(models: dict[str, ChatModel]) -> None:
    expected = {
        name: model.answers([model.prompt_ids([_message()])], Sampling(max_new_tokens=10))[0]
        for name, model in models.items()
    }
    assert len(set(expected.values())) == 3
    with running_server(models["tiny"], others={name: models[name] for name in "ab"}) as running:
        client = running.client()
        assert [model.id for model in client.models.list()] == ["tiny", "a", "b"]
        assert client.models.retrieve("b").id == "b"

        def ask(name: str) -> tuple[str, str, str]:
            done = client.chat.completions.create(model=name, messages=MESSAGES, max_tokens=10, temperature=0)
            return name, done.model, done.choices[0].message.content or ""

        def stream(name: str) -> tuple[str, str, str]:
            chunks = list(
                client.chat.completions.create(
                    model=name, messages=MESSAGES, max_tokens=10, temperature=0, stream=True
                )
            )
            return (
                name,
                chunks[0].model,
                "".join(c.choices[0].delta.content or "" for c in chunks if c.choices),
            )

        with ThreadPoolExecutor(9) as pool:
            found = [*pool.map(ask, ["tiny", "a", "b"] * 3), *pool.map(stream, ["b", "a", "tiny"])]
        assert all(answer == expected[name] and told == name for name, told, answer in found)
        with pytest.raises(NotFoundError, match="`tiny`, `a`, `b`"):
            ask("c")


def _message() -> Any:
    from luthier.data.sample import Message

    return Message("user", MESSAGES[0]["content"])
