"""Several adapters over one base in memory answer as each does alone, and never for one another."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest

from luthier.core.errors import ModelError
from luthier.models.adapters import load_chat_models
from luthier.models.chat_model import ChatModel
from luthier.models.generate import Sampling
from luthier.recipe.method_sections import Ia3Method, PromptMethod
from tests.models.tiny_adapters import save_adapter
from tests.models.tiny_chat import make_chat_llama, save_chat_folder

PROMPT = [1, 70, 80, 90, 2]
SAMPLING = Sampling(max_new_tokens=12)


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LUTHIER_HOME", str(tmp_path / "home"))
    return save_chat_folder(tmp_path / "base")


@pytest.fixture
def adapters(base: Path, tmp_path: Path) -> dict[str, Path]:
    return {
        f"my.{name}": save_adapter(base, tmp_path / name, seed) for seed, name in enumerate("ab", start=1)
    }


def _alone(folder: Path) -> str:
    return ChatModel.from_folder(folder).answers([PROMPT], SAMPLING)[0]


def _answer(model: ChatModel) -> str:
    return model.answers([PROMPT], SAMPLING)[0]


def test_each_answers_as_it_does_alone(base: Path, adapters: dict[str, Path]) -> None:
    models = load_chat_models(base, "tiny", adapters)
    assert list(models) == ["tiny", "my.a", "my.b"]
    alone = {"tiny": _alone(base), **{name: _alone(path) for name, path in adapters.items()}}
    assert len(set(alone.values())) == 3
    for order in (models, reversed(models), models):
        assert {name: _answer(models[name]) for name in order} == alone


def _named_pieces(name: str, model: ChatModel) -> Iterator[tuple[str, str]]:
    for piece in model.stream(PROMPT, SAMPLING):
        yield name, piece.text


def test_answers_token_by_token_in_turn_do_not_mix(base: Path, adapters: dict[str, Path]) -> None:
    models = load_chat_models(base, "tiny", adapters)
    texts = dict.fromkeys(models, "")
    streams = [_named_pieces(name, model) for name, model in models.items()]
    for pieces in zip_longest(*streams):
        for name, text in filter(None, pieces):
            texts[name] += text
    assert texts == {name: _answer(model) for name, model in models.items()}


def test_answers_in_threads_do_not_mix(base: Path, adapters: dict[str, Path]) -> None:
    models = load_chat_models(base, "tiny", adapters)
    expected = {name: _answer(model) for name, model in models.items()}
    found: list[tuple[str, str]] = []
    threads = [
        threading.Thread(target=lambda name=name: found.append((name, _answer(models[name]))))
        for name in [*models] * 3
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 9
    assert all(text == expected[name] for name, text in found)


def test_the_base_is_in_memory_once(base: Path, adapters: dict[str, Path]) -> None:
    models = load_chat_models(base, "tiny", adapters)
    heads = {id(model.model.get_output_embeddings().weight) for model in models.values()}
    assert len(heads) == 1


def test_an_adapter_can_be_the_first(adapters: dict[str, Path]) -> None:
    models = load_chat_models(adapters["my.a"], "first", {"second": adapters["my.b"]})
    assert list(models) == ["first", "second"]
    assert _answer(models["first"]) == _alone(adapters["my.a"])
    assert _answer(models["second"]) == _alone(adapters["my.b"])


def test_without_adapters_it_is_the_model_itself(base: Path) -> None:
    (model,) = load_chat_models(base, "tiny", {}).values()
    assert type(model.model).__name__ == "LlamaForCausalLM"


def _refused(action: Callable[[], Any], text: str) -> ModelError:
    with pytest.raises(ModelError) as caught:
        action()
    assert text in str(caught.value)
    return caught.value


def test_what_does_not_go_together_is_refused(base: Path, adapters: dict[str, Path], tmp_path: Path) -> None:
    other = save_chat_folder(tmp_path / "other", make_chat_llama(seed=5))
    foreign = save_adapter(other, tmp_path / "foreign", 3)
    soft = save_adapter(base, tmp_path / "soft", 3, section=PromptMethod(name="prompt", num_virtual_tokens=3))
    ia3 = save_adapter(base, tmp_path / "ia3", 3, section=Ia3Method(name="ia3"))
    packed = save_adapter(
        base, tmp_path / "packed", 3, four_bit={"quant_type": "nf4", "use_double_quant": True}
    )
    for path, text in (
        (foreign, "the base of adapter x has hash"),
        (base, "x is no adapter"),
        (soft, "soft prompt"),
        (ia3, "different kinds"),
        (packed, "different forms of the base"),
    ):
        _refused(lambda path=path: load_chat_models(base, "tiny", {**adapters, "x": path}), text)
    _refused(lambda: load_chat_models(base, "my.a", adapters), "two models are called my.a")


def test_an_adapter_without_all_of_its_weights_is_refused(base: Path, adapters: dict[str, Path]) -> None:
    from safetensors.torch import load_file, save_file

    file = adapters["my.b"] / "adapter_model.safetensors"
    weights = load_file(file)
    name = next(iter(weights))
    save_file({k: v for k, v in weights.items() if k != name}, file, metadata={"format": "pt"})
    _refused(lambda: load_chat_models(base, "tiny", adapters), "my.b lacks 1 of its weights")
