"""Decoding: greedy equals transformers, sampling follows its distribution, text comes in whole characters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from luthier.models.generate import Sampling, TextStream, decode
from tests.models.tiny_chat import CORPUS, make_chat_tokenizer

STOP = 1
PROMPTS = [[5, 9, 33], [7, 8, 9, 10, 11, 12, 13, 14], [3]]


def _decoded(
    model: Any, prompts: Sequence[Sequence[int]], sampling: Sampling, stop: Collection[int] = (STOP,)
) -> list[list[int]]:
    answers: list[list[int]] = [[] for _ in prompts]
    for step in decode(model, prompts, sampling, stop_token_ids=stop, pad_token_id=0):
        for answer, token in zip(answers, step, strict=True):
            if token is not None:
                answer.append(token)
    return answers


def _generated(
    model: Any, prompts: Sequence[Sequence[int]], max_new_tokens: int, stop: Collection[int] = (STOP,)
) -> list[list[int]]:
    """The answers of transformers, up to and with the first stop token."""
    longest = max(map(len, prompts))
    tokens = torch.tensor([[0] * (longest - len(p)) + list(p) for p in prompts])
    mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts])
    output = model.generate(
        tokens,
        attention_mask=mask,
        do_sample=False,
        max_new_tokens=max_new_tokens,
        eos_token_id=list(stop),
        pad_token_id=0,
    )
    rows = output[:, longest:].tolist()
    ends = [next((n + 1 for n, token in enumerate(row) if token in stop), len(row)) for row in rows]
    return [row[:end] for row, end in zip(rows, ends, strict=True)]


@pytest.mark.parametrize("prompts", [PROMPTS[:1], PROMPTS], ids=["single", "left-padded"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_greedy_equals_transformers_generate(
    make_tiny_llama: Callable[..., Any], prompts: list[list[int]], seed: int
) -> None:
    model = make_tiny_llama(seed, initializer_range=0.3, tie_word_embeddings=False)
    answers = _decoded(model, prompts, Sampling(max_new_tokens=40))
    assert answers == _generated(model, prompts, 40)
    assert len(set(answers[0])) > 5  # a model that repeats one token would prove little


def test_copies_of_a_prompt_are_answered_as_if_it_stood_there_as_often(
    make_tiny_llama: Callable[..., Any],
) -> None:
    model = make_tiny_llama(0, initializer_range=0.3, tie_word_embeddings=False)
    repeated = [prompt for prompt in PROMPTS for _ in range(3)]
    for sampling in (Sampling(max_new_tokens=20), Sampling(20, temperature=1.0, top_p=0.9, seed=5)):
        plain = _decoded(model, repeated, sampling)
        steps = decode(model, PROMPTS, sampling, stop_token_ids=[STOP], pad_token_id=0, copies=3)
        columns = list(zip(*steps, strict=True))
        assert [[token for token in column if token is not None] for column in columns] == plain
    assert len({tuple(answer) for answer in plain[:3]}) > 1


def test_a_stop_token_ends_its_answer_and_no_other(make_tiny_llama: Callable[..., Any]) -> None:
    model = make_tiny_llama(2, initializer_range=0.3, tie_word_embeddings=False)
    stop = range(10, 20)
    answers = _decoded(model, PROMPTS, Sampling(max_new_tokens=24), stop)
    assert answers == _generated(model, PROMPTS, 24, stop)
    assert len({len(answer) for answer in answers}) > 1
    assert answers[0] != _decoded(model, PROMPTS, Sampling(max_new_tokens=24))[0]


def test_padding_value_does_not_matter(make_tiny_llama: Callable[..., Any]) -> None:
    model = make_tiny_llama(3, initializer_range=0.3)
    runs = [
        list(decode(model, PROMPTS, Sampling(max_new_tokens=8), stop_token_ids=(), pad_token_id=pad))
        for pad in (0, 50)
    ]
    assert runs[0] == runs[1]


def test_gradients_stay_on_for_the_caller_between_two_tokens(make_tiny_llama: Callable[..., Any]) -> None:
    steps = decode(make_tiny_llama(), [[5]], Sampling(max_new_tokens=3), stop_token_ids=(), pad_token_id=0)
    next(steps)
    assert torch.is_grad_enabled()


class _FixedLogits:
    """A model whose next token has the same logits whatever it read."""

    def __init__(self, probabilities: Sequence[float]) -> None:
        self._logits = torch.tensor(probabilities).log()

    def __call__(self, *, input_ids: torch.Tensor, **_: Any) -> Any:
        rows = self._logits.expand(len(input_ids), 1, -1)
        return SimpleNamespace(logits=rows, past_key_values=None)


PROBABILITIES = [0.05, 0.4, 0.1, 0.25, 0.2]
NUM_DRAWS = 4000


def _drawn(temperature: float, top_p: float, seed: int | None = 0) -> list[int]:
    sampling = Sampling(max_new_tokens=NUM_DRAWS // 8, temperature=temperature, top_p=top_p, seed=seed)
    steps = decode(_FixedLogits(PROBABILITIES), [[1]] * 8, sampling, stop_token_ids=(), pad_token_id=0)
    return [token for step in steps for token in step if token is not None]


def _chi_square(tokens: Sequence[int], expected: Sequence[float]) -> float:
    counts = Counter(tokens)
    return sum(
        (counts[token] - share * len(tokens)) ** 2 / (share * len(tokens))
        for token, share in enumerate(expected)
        if share
    )


# 18.47 is the 0.999 quantile of chi-square with 4 degrees of freedom, 16.27 with 3, 13.82 with 2, 10.83 with 1
# (NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.4).
@pytest.mark.parametrize(
    ("temperature", "top_p", "expected", "limit"),
    [
        (1.0, 1.0, PROBABILITIES, 18.467),
        # Temperature 0.5 squares the probabilities: sum of squares 0.275.
        (0.5, 1.0, [p * p / 0.275 for p in PROBABILITIES], 18.467),
        # 0.4, 0.65, 0.85: the third token crosses 0.7 and belongs to the nucleus.
        (1.0, 0.7, [0.0, 0.4 / 0.85, 0.0, 0.25 / 0.85, 0.2 / 0.85], 13.816),
        (1.0, 0.5, [0.0, 0.4 / 0.65, 0.0, 0.25 / 0.65, 0.0], 10.828),
        # The nucleus is taken after the temperature: squared and normalized 0.58, 0.81, …
        (0.5, 0.6, [0.0, 0.16 / 0.2225, 0.0, 0.0625 / 0.2225, 0.0], 10.828),
    ],
)
def test_samples_follow_the_stated_distribution(
    temperature: float, top_p: float, expected: list[float], limit: float
) -> None:
    tokens = _drawn(temperature, top_p)
    assert len(tokens) == NUM_DRAWS
    assert not [token for token in set(tokens) if expected[token] == 0.0]
    assert _chi_square(tokens, expected) < limit


def test_the_check_would_notice_another_distribution() -> None:
    assert _chi_square(_drawn(0.8, 1.0), PROBABILITIES) > 18.467


def test_smallest_top_p_leaves_the_most_probable_token() -> None:
    assert set(_drawn(1.0, 1e-6)) == {1}


def test_a_seed_reproduces_and_another_does_not() -> None:
    first = _drawn(1.0, 1.0, seed=7)
    assert first == _drawn(1.0, 1.0, seed=7)
    assert first != _drawn(1.0, 1.0, seed=8)
    assert _drawn(1.0, 1.0, seed=None) != _drawn(1.0, 1.0, seed=None)


def test_sampling_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    _drawn(1.0, 1.0)
    assert torch.rand(1) == expected


TOKENIZER = make_chat_tokenizer()
TEXTS = st.one_of(
    st.text(max_size=30),
    st.lists(
        st.sampled_from([" ", "  ", "\n", "你好", "世", "👍", "👩‍🚀", "é", "fox", " the", "�"]), max_size=12
    ).map("".join),
)


def _pieces(tokens: Sequence[int], stop: Sequence[str] = ()) -> list[str]:
    """Stream as the server does: until the stop string."""
    stream = TextStream(TOKENIZER, stop)
    pieces = []
    for token in tokens:
        pieces.append(stream.add(token))
        if stream.is_stopped:
            return pieces
    return [*pieces, stream.finish()]


@settings(max_examples=300, deadline=None)
@given(TEXTS)
def test_pieces_join_to_the_text(text: str) -> None:
    tokens = TOKENIZER(text, add_special_tokens=False)["input_ids"]
    pieces = _pieces(tokens)
    assert "".join(pieces) == text
    if "�" not in text:
        assert not any("�" in piece for piece in pieces)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.integers(0, len(TOKENIZER) - 1), max_size=30))
def test_pieces_of_any_tokens_join_to_the_whole_decoding(tokens: list[int]) -> None:
    """Random tokens are mostly broken characters and special tokens."""
    assert "".join(_pieces(tokens)) == TOKENIZER.decode(tokens, skip_special_tokens=True)


def test_text_is_released_as_soon_as_its_characters_are_whole() -> None:
    tokens = TOKENIZER("龘🦜x", add_special_tokens=False)["input_ids"]
    assert [piece for piece in _pieces(tokens) if piece] == ["龘", "🦜", "x"]
    assert len(tokens) >= 6  # else there was nothing to put together


def test_incomplete_bytes_at_the_end_become_the_replacement_mark() -> None:
    tokens = TOKENIZER("ok 龘", add_special_tokens=False)["input_ids"][:-1]
    stream = TextStream(TOKENIZER)
    shown = "".join(stream.add(token) for token in tokens)
    assert shown == "ok "
    assert stream.finish() == "�"
    assert stream.finish() == ""


@settings(max_examples=300, deadline=None)
@given(
    TEXTS,
    st.lists(st.text(alphabet=" abfox的你好👍�\n", min_size=1, max_size=4), min_size=1, max_size=3),
    st.data(),
)
def test_nothing_of_a_stop_string_leaks(text: str, stop: list[str], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(text)))
    text = text[:place] + data.draw(st.sampled_from(stop)) + text[place:]
    tokens = TOKENIZER(text, add_special_tokens=False)["input_ids"]
    # The string that is complete first ends the text; of two that end together, the longer.
    expected = text[: min((text.find(end) + len(end), text.find(end)) for end in stop if end in text)[1]]
    shown = "".join(_pieces(tokens, stop))
    assert shown == expected


def test_a_stop_string_over_several_tokens_is_held_back_and_released_if_it_does_not_come() -> None:
    tokens = TOKENIZER("a###b", add_special_tokens=False)["input_ids"]
    assert len(tokens) == 5
    stream = TextStream(TOKENIZER, ["####"])
    assert [stream.add(token) for token in tokens] == ["a", "", "", "", "###b"]
    stream = TextStream(TOKENIZER, ["###"])
    assert [stream.add(token) for token in tokens[:4]] == ["a", "", "", ""]
    assert stream.is_stopped


def test_after_a_stop_string_nothing_comes() -> None:
    stream = TextStream(TOKENIZER, ["b"])
    tokens = TOKENIZER("abcd", add_special_tokens=False)["input_ids"]
    assert "".join(stream.add(token) for token in tokens) + stream.finish() == "a"


def test_the_first_of_two_stop_strings_counts() -> None:
    tokens = TOKENIZER("one two three", add_special_tokens=False)["input_ids"]
    assert "".join(_pieces(tokens, ["three", "two"])) == "one "


def test_leading_space_of_later_tokens_stays() -> None:
    """A sentencepiece-like tokenizer drops the space before the first token of what it decodes."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = ["▁It", "▁is", "▁no", "on", "▁", "!"]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="!"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer)
    stream = TextStream(wrapped)
    pieces = [stream.add(token) for token in [0, 1, 2, 3, 4, 4, 5]]
    assert "".join([*pieces, stream.finish()]) == "It is noon  !"
    assert pieces[1] == " is"


def test_the_corpus_takes_fewer_tokens_than_bytes() -> None:
    """Else the properties above would only see single bytes."""
    for text in CORPUS:
        assert len(TOKENIZER(text)["input_ids"]) < len(text.encode())
