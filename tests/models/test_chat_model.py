"""ChatModel: what it is fed, why its answers end, and that batches answer like single prompts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from luthier.core.errors import TemplateError
from luthier.data.sample import Message
from luthier.data.template import ChatTemplate
from luthier.models.chat_model import ChatModel
from luthier.models.generate import Sampling
from tests.models.tiny_chat import make_chat_tokenizer, save_chat_folder

QUESTIONS = ["What is the time?", "你好", "Is it noon? The quick brown fox jumps."]


@pytest.fixture(scope="module")
def chat_model(tmp_path_factory: pytest.TempPathFactory) -> ChatModel:
    return ChatModel.from_folder(save_chat_folder(tmp_path_factory.mktemp("chat") / "model"))


def _whole(model: ChatModel, prompt: list[int], sampling: Sampling) -> tuple[str, int, str | None]:
    pieces = list(model.stream(prompt, sampling))
    assert all(piece.finish_reason is None for piece in pieces[:-1])
    return "".join(piece.text for piece in pieces), pieces[-1].num_tokens, pieces[-1].finish_reason


class _Told:
    """A model that says given tokens, whatever it is asked."""

    def __init__(self, text: str, num_prompt: int) -> None:
        tokenizer = make_chat_tokenizer()
        self.tokens = tokenizer(text)["input_ids"]
        self.config = type("Config", (), {"max_position_embeddings": 512})
        self._vocabulary = len(tokenizer)
        self._position = -1

    def __call__(self, **_: Any) -> Any:
        self._position += 1
        logits = torch.zeros(1, 1, self._vocabulary)
        logits[..., self.tokens[self._position]] = 1.0
        return type("Output", (), {"logits": logits, "past_key_values": None})


def _told(text: str) -> ChatModel:
    tokenizer = make_chat_tokenizer()
    return ChatModel(_Told(text, 3), tokenizer, ChatTemplate(tokenizer))


def test_prompt_is_what_training_put_before_the_answer(chat_model: ChatModel) -> None:
    question = [Message("system", "Be brief."), Message("user", "你好?")]
    template = ChatTemplate(make_chat_tokenizer())
    trained = template.encode([*question, Message("assistant", "It is noon.")])
    prompt = chat_model.prompt_ids(question)
    assert trained.input_ids[: len(prompt)] == prompt
    assert set(trained.labels[: len(prompt)]) == {-100}
    assert trained.labels[len(prompt)] != -100


def test_answer_ends_at_the_end_token_which_counts_and_is_not_shown() -> None:
    model = _told("It is noon.<|im_end|>")
    text, count, reason = _whole(model, [5], Sampling(max_new_tokens=50))
    assert (text, reason) == ("It is noon.", "stop")
    assert count == len(model.model.tokens)


def test_answer_that_is_cut_says_so() -> None:
    model = _told("It is noon. The fox jumps.")
    text, count, reason = _whole(model, [5], Sampling(max_new_tokens=4))
    assert (count, reason) == (4, "length")
    assert text == model.tokenizer.decode(model.model.tokens[:4])


def test_stop_string_ends_the_answer() -> None:
    model = _told("It is noon. The fox jumps.")
    text, count, reason = _whole(model, [5], Sampling(max_new_tokens=8, stop=("noon",)))
    assert (text, reason) == ("It is ", "stop")
    assert count < 8


def test_stop_string_before_a_broken_character_is_the_reason() -> None:
    model = _told("龘")
    model.model.tokens = [*model.tokenizer("x.")["input_ids"], model.model.tokens[0]]
    # The broken character keeps the text back from here on: the stop string is found at the end.
    text, _, reason = _whole(model, [5], Sampling(max_new_tokens=3, stop=(".�",)))
    assert (text, reason) == ("x", "stop")


def test_batches_answer_like_single_prompts(chat_model: ChatModel) -> None:
    prompts = [chat_model.prompt_ids([Message("user", question)]) for question in QUESTIONS]
    assert len({len(prompt) for prompt in prompts}) == 3
    sampling = Sampling(max_new_tokens=24)
    single = [_whole(chat_model, prompt, sampling)[0] for prompt in prompts]
    assert chat_model.answers(prompts, sampling) == single
    assert len(set(single)) == 3


def test_answers_end_at_stop_strings_too(chat_model: ChatModel) -> None:
    prompt = chat_model.prompt_ids([Message("user", QUESTIONS[0])])
    whole = chat_model.answers([prompt], Sampling(max_new_tokens=24))[0]
    stop = whole[len(whole) // 2]
    cut = chat_model.answers([prompt], Sampling(max_new_tokens=24, stop=(stop,)))[0]
    assert cut == whole[: whole.index(stop)]


def test_more_prompts_than_a_batch_keep_their_order(chat_model: ChatModel) -> None:
    prompts = [chat_model.text_ids("fox " * (1 + n * 7 % 5) + str(n)) for n in range(20)]
    done: list[int] = []
    answers = chat_model.answers(prompts, Sampling(max_new_tokens=3), on_progress=done.append)
    assert done == [16, 20]
    assert answers[19] == _whole(chat_model, prompts[19], Sampling(max_new_tokens=3))[0]
    assert answers[4] == _whole(chat_model, prompts[4], Sampling(max_new_tokens=3))[0]


def test_dtype_is_the_trained_one(tmp_path: Path) -> None:
    import json

    folder = save_chat_folder(tmp_path / "model")
    record = json.loads((folder / "luthier.json").read_text())
    (folder / "luthier.json").write_text(json.dumps({**record, "dtype": "bfloat16"}))
    assert ChatModel.from_folder(folder).model.dtype == torch.bfloat16


def test_model_of_raw_text_continues_but_refuses_turns(tmp_path: Path) -> None:
    folder = save_chat_folder(tmp_path / "model")
    tokenizer = make_chat_tokenizer()
    tokenizer.chat_template = None
    (folder / "chat_template.jinja").unlink()
    tokenizer.save_pretrained(folder)
    model = ChatModel.from_folder(folder)
    assert model.stop_token_ids == {tokenizer.eos_token_id}
    assert _whole(model, model.text_ids("The fox"), Sampling(max_new_tokens=3))[1] <= 3
    with pytest.raises(TemplateError, match="raw text"):
        model.prompt_ids([Message("user", "hello")])


def test_completions_count_tokens_and_say_why_they_ended(tmp_path: Path) -> None:
    model = ChatModel.from_folder(save_chat_folder(tmp_path))
    prompts = [model.text_ids(text) for text in ("The quick", "你好", "What is the time? It")]
    whole = model.completions(prompts, Sampling(max_new_tokens=12))
    for prompt, piece in zip(prompts, whole, strict=True):
        alone = list(model.stream(prompt, Sampling(max_new_tokens=12)))
        assert piece.text == "".join(part.text for part in alone)
        assert (piece.num_tokens, piece.finish_reason) == (alone[-1].num_tokens, alone[-1].finish_reason)


def test_a_batch_ends_when_all_its_answers_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = ChatModel.from_folder(save_chat_folder(tmp_path))
    prompt = model.text_ids("The quick")
    text = model.answers([prompt], Sampling(max_new_tokens=30))[0]
    assert len(text) > 6
    steps = 0
    decode = model._decode

    def counted(*arguments: Any) -> Any:
        nonlocal steps
        for step in decode(*arguments):
            steps += 1
            yield step

    monkeypatch.setattr(model, "_decode", counted)
    (piece,) = model.completions([prompt], Sampling(max_new_tokens=30, stop=(text[2:4],)))
    assert piece.text == text[: text.index(text[2:4])] and piece.finish_reason == "stop"
    assert steps < 30


def test_samples_differ_within_and_between_batches_and_a_seed_repeats_them(chat_model: ChatModel) -> None:
    """40 answers to a prompt take two batches, which must not draw alike; the second prompt has its own."""
    prompts = [chat_model.text_ids("The quick"), chat_model.text_ids("你好")]
    sampling = Sampling(max_new_tokens=8, temperature=1.0, seed=3)
    done: list[int] = []
    found = chat_model.samples(prompts, sampling, 40, on_progress=done.append)
    assert [len(pieces) for pieces in found] == [40, 40] and done == [1, 2]
    texts = [piece.text for piece in found[0]]
    assert texts[:8] != texts[32:] and len(set(texts)) > 20
    assert found == chat_model.samples(prompts, sampling, 40)


def test_greedy_samples_are_the_answer_in_the_order_of_the_prompts(chat_model: ChatModel) -> None:
    prompts = [chat_model.text_ids(text) for text in QUESTIONS]
    sampling = Sampling(max_new_tokens=8)
    found = chat_model.samples(prompts, sampling, 3)
    assert [pieces[0] for pieces in found] == chat_model.completions(prompts, sampling)
    assert all(pieces == pieces[:1] * 3 for pieces in found)
