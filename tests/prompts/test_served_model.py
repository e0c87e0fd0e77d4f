"""A served model is asked over HTTP, and gives the answers that the same model gives here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from luthier.core.errors import DataError, ServeError
from luthier.models.chat_model import ChatModel
from luthier.models.endpoint import Endpoint
from luthier.prompts.fit import fitted
from luthier.prompts.local_model import LocalModel
from luthier.prompts.prompt import Prompt
from luthier.prompts.served_model import ServedModel
from tests.models.tiny_chat import save_chat_folder
from tests.prompts.making import prompt_of, rows_of
from tests.serve.running import Running, running_server

ROWS = rows_of(*({"q": f"What is the time {n}?", "a": "noon"} for n in range(5)))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ChatModel:
    return ChatModel.from_folder(save_chat_folder(tmp_path_factory.mktemp("model")))


@pytest.fixture(scope="module")
def server(model: ChatModel) -> Iterator[Running]:
    with running_server(model, api_key="secret") as running:
        yield running


def _prompt(folder: Path, more: str = "") -> Prompt:
    text = "system: Be brief.\ntemplate: '{{ q }}'\nanswer: '{{ a }}'\nmax_new_tokens: 6\n"
    return prompt_of(text + more, ROWS, folder)


def test_answers_and_tokens_equal_the_local_models(model: ChatModel, server: Running, tmp_path: Path) -> None:
    prompt = _prompt(tmp_path)
    rendered = [prompt.render(row) for row in ROWS]
    served = ServedModel(Endpoint(f"{server.url}/v1", "tiny", "secret"), at_once=2)
    here = LocalModel(model, "tiny", "")
    found, local = (
        dict(pair for batch in asked.generate(rendered, prompt.file) for pair in batch)
        for asked in (served, here)
    )
    for number in range(len(ROWS)):
        assert found[number].said == local[number].said
        assert found[number].prompt_tokens == local[number].prompt_tokens
        assert found[number].finish_reason == local[number].finish_reason


def test_refusals_name_the_server(server: Running, tmp_path: Path) -> None:
    prompt = _prompt(tmp_path)
    rendered = [prompt.render(ROWS[0])]
    for endpoint, told in (
        (Endpoint(server.url, "tiny", "wrong"), "status 401"),
        (Endpoint(server.url, "other", "secret"), "status 404"),
        (Endpoint("http://127.0.0.1:9", "tiny"), "no answer from the server"),
    ):
        with pytest.raises(ServeError, match=told) as error:
            list(ServedModel(endpoint).generate(rendered, prompt.file))
        assert "/v1/chat/completions" in str(error.value.where)


def test_what_a_server_cannot_do_is_refused(server: Running, tmp_path: Path) -> None:
    served = ServedModel(Endpoint(server.url, "tiny", "secret"))
    limited = _prompt(tmp_path, "max_prompt_tokens: 9\n")
    with pytest.raises(DataError, match="only the server knows its tokens"):
        fitted(limited, limited.render(ROWS[0]), served)
    with pytest.raises(DataError, match="how probable a choice is"):
        served.choose([], limited.file)
    text = prompt_of("template: '{{ q }}'\nformat: text", ROWS, tmp_path)
    with pytest.raises(DataError, match="asked in turns"):
        list(served.generate([text.render(ROWS[0])], text.file))
