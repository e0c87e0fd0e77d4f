"""A local model is asked as it is served; batches and kept answers change nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from luthier.core.errors import DataError
from luthier.models.generate import Sampling
from luthier.prompts.fit import fitted
from luthier.prompts.local_model import LocalModel
from luthier.prompts.prompt import Prompt, Rendered
from luthier.prompts.text_side import TextSide
from tests.models.tiny_chat import save_chat_folder
from tests.prompts.making import prompt_of, rows_of

ROWS = rows_of(
    *({"q": "The quick fox " * n, "a": "dog", "o": ["dog", "a lazy dog", "时间"]} for n in range(1, 6))
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_chat_folder(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def model(folder: Path) -> LocalModel:
    return LocalModel.from_folder(folder, "tiny")


def _prompt(tmp_path: Path, more: str = "") -> Prompt:
    text = "template: '{{ q }}'\nanswer: '{{ a }}'\nchoices_in_row: '{{ o }}'\nmax_new_tokens: 8\n"
    return prompt_of(text + more, ROWS, tmp_path)


def _rendered(prompt: Prompt) -> list[Rendered]:
    return [prompt.render(row) for row in ROWS]


def test_answers_equal_those_that_serving_gives(model: LocalModel, tmp_path: Path) -> None:
    prompt = _prompt(tmp_path)
    rendered = _rendered(prompt)
    found = dict(pair for batch in model.generate(rendered, prompt.file) for pair in batch)
    chat = model._model
    for number, question in enumerate(rendered):
        pieces = list(chat.stream(chat.prompt_ids(question.messages), Sampling(max_new_tokens=8)))
        assert found[number].said == "".join(piece.text for piece in pieces)
        assert found[number].new_tokens == pieces[-1].num_tokens
        assert found[number].finish_reason == pieces[-1].finish_reason
        assert found[number].prompt_tokens == len(chat.prompt_ids(question.messages))


def test_choices_of_a_chat_end_with_the_turn(model: LocalModel, tmp_path: Path) -> None:
    prompt = _prompt(tmp_path)
    question = prompt.render(ROWS[0])
    ((_, answer),) = next(iter(model.choose([question], prompt.file)))
    chat = model._model
    for choice, got in zip(question.choices, answer.log_likelihoods, strict=True):
        ids = chat.prompt_ids(question.messages)
        own = [*chat.tokenizer(choice)["input_ids"], chat.tokenizer.convert_tokens_to_ids("<|im_end|>")]
        with torch.no_grad():
            logits = chat.model(torch.tensor([ids + own])).logits[0].log_softmax(-1)
        plain = sum(float(logits[len(ids) + n - 1, token]) for n, token in enumerate(own))
        assert got == pytest.approx(plain, abs=1e-3)


def test_choices_of_a_text_are_divided_as_the_harness_does(model: LocalModel, tmp_path: Path) -> None:
    """`_encode_pair` of lm-evaluation-harness: spaces at the end of the context belong to the continuation."""
    for template in ("'{{ q }}is '", "'{{ q }}is'"):
        prompt = _prompt(tmp_path, "format: text\n")
        file = prompt.file.model_copy(update={"template": template})
        question = prompt.render(ROWS[0])
        ids, continuations = model._with_choices(question, file)
        chat = model._model
        context = question.text.rstrip(" ")
        for choice, own in zip(question.choices, continuations, strict=True):
            assert ids + own == chat.text_ids(f"{context} {choice}")
            assert ids == chat.text_ids(context)


def test_a_prompt_without_room_is_refused_or_loses_examples(
    model: LocalModel, folder: Path, tmp_path: Path
) -> None:
    side = TextSide.from_folder(folder)
    text = "template: '{{ examples }}{{ q }}'\nanswer: '{{ a }}'\nmax_prompt_tokens: 100\nexamples: {rows: ROWS, "
    text += "select: random, count: 3, template: '{{ q }} {{ example_answer }}'}\n"
    pool = str([{"q": "x " * (9 * n), "a": "y"} for n in range(1, 5)])
    prompt = prompt_of(text.replace("ROWS", pool), ROWS, tmp_path)
    whole = prompt.render(ROWS[0])
    with pytest.raises(
        DataError, match=r"row 1: its prompt has \d+ tokens; 100 leave room(.|\n)*fewer_examples"
    ):
        fitted(prompt, whole, side)
    allowed = prompt_of(f"{text.replace('ROWS', pool)}too_long: fewer_examples\n", ROWS, tmp_path)
    fits = fitted(allowed, allowed.render(ROWS[0]), side)
    assert 0 <= len(fits.examples) < 3
    assert side.num_tokens(fits, allowed.file) <= 100 < side.num_tokens(whole, prompt.file)
    assert fits.examples == whole.examples[3 - len(fits.examples) :]


def test_identity_is_that_of_the_weights(folder: Path, model: LocalModel, tmp_path: Path) -> None:
    from tests.models.tiny_chat import make_chat_llama

    assert LocalModel.from_folder(folder, "again").identity == model.identity
    other = save_chat_folder(tmp_path / "other", make_chat_llama(1))
    assert LocalModel.from_folder(other, "other").identity != model.identity
