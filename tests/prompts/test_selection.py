"""Examples: nearest, unlike each other, drawn or fixed; never the row itself or its duplicate."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from luthier.core.errors import DataError
from luthier.prompts.rows import PromptRow
from luthier.prompts.selection import AtRandom, BySimilarity, Fixed, Selector
from tests.prompts.making import letters, rows_of

TEXTS = ["aaab", "aabb", "abbb", "aaa", "cccc", "jjjj", "aaab ", "aabbc"]
POOL = rows_of(*({"q": text} for text in TEXTS), source="pool.jsonl")
ROW = PromptRow("eval.jsonl", 1, {"q": "aaabb"})


def _similar(count: int, pool: list[PromptRow] = POOL, **more: Any) -> Selector:
    texts = [row.fields["q"] for row in pool]
    return Selector(pool, texts, BySimilarity(letters, texts), count, **more)


def _texts(rows: list[PromptRow]) -> list[str]:
    return [row.fields["q"] for row in rows]


def test_nearest_stands_last_and_equal_ones_once() -> None:
    select = _similar(4)
    # Cosines with aaabb (3, 2): aabb .98, aaab .96, aabbc .92, aaa .83; `aaab ` is equal to aaab.
    assert _texts(select(ROW, "aaabb", "aaabb")) == ["aaa", "aabbc", "aaab", "aabb"]
    assert select.left_out.repeated == 1


def test_relevance_one_is_nearness_and_less_is_diversity() -> None:
    ranking = BySimilarity(letters, TEXTS)
    near = _similar(3, spread=ranking.spread(1.0))(ROW, "x", "aaabb")
    assert _texts(near) == _texts(_similar(3)(ROW, "x", "aaabb"))
    spread = _similar(3, spread=ranking.spread(0.3))(ROW, "x", "aaabb")
    assert {"cccc", "jjjj"} & set(_texts(spread))
    assert _texts(spread)[-1] == "aabb"


def test_mmr_by_hand() -> None:
    """Three unit vectors: similarity to the question .9, .89, .5; between the first two .99, else .3."""
    question = np.array([1.0, 0.0, 0.0, 0.0])
    gram = np.array([[1, 0.9, 0.89, 0.5], [0.9, 1, 0.99, 0.3], [0.89, 0.99, 1, 0.3], [0.5, 0.3, 0.3, 1]])
    vectors = np.linalg.cholesky(gram).astype(np.float32)
    known = dict(zip(["q", "a", "b", "c"], vectors, strict=True))
    assert vectors[0] == pytest.approx(question)
    ranking = BySimilarity(lambda texts: np.stack([known[text] for text in texts]), ["a", "b", "c"])
    # After a: b is worth .5 * .89 - .5 * .99 = -.05, c .5 * .5 - .5 * .3 = .1.
    assert ranking.spread(0.5)("q", [0, 1, 2], 2) == [0, 2]
    assert ranking.spread(0.95)("q", [0, 1, 2], 2) == [0, 1]


def test_random_depends_on_seed_and_row_alone() -> None:
    def drawn(seed: int, number: int) -> list[str]:
        select = Selector(POOL, TEXTS, AtRandom(seed, len(POOL)), 3)
        return _texts(select(PromptRow("eval.jsonl", number, {"q": "x"}), "x", "x"))

    assert drawn(0, 1) == drawn(0, 1)
    assert len({tuple(drawn(seed, number)) for seed in range(3) for number in range(1, 4)}) > 5


@pytest.mark.parametrize(
    ("asked", "source", "number", "leaking"),
    [
        ("How do I locate my card?", "eval.jsonl", 9, "the same text"),
        ("how do I  locate my CARD?", "eval.jsonl", 9, "but for case and space"),
        ("How do I locate my card??", "eval.jsonl", 9, "nearly the same"),
        ("Another question", "pool.jsonl", 1, "the same row of the same file"),
        ("我的卡在哪里？请告诉我", "eval.jsonl", 9, "in Chinese"),
    ],
)
def test_no_leak(asked: str, source: str, number: int, leaking: str) -> None:
    pool = rows_of(
        *({"q": text} for text in ("How do I locate my card?", "我的卡在哪里？请告诉我", "Something else")),
        source="pool.jsonl",
    )
    row = PromptRow(source, number, {"q": asked})
    select = Selector(pool, _texts(pool), lambda row, compared: iter(range(3)), 2)
    shown = select(row, asked, asked)
    assert select.left_out.leaking == 1, leaking
    assert len(shown) == 2
    with pytest.raises(DataError, match="is shown its own answer"):
        Fixed(pool, _texts(pool))(row, asked, asked)


def test_another_question_is_no_leak() -> None:
    pool = rows_of({"q": "How do I locate my card?"}, source="pool.jsonl")
    asked = "How do I activate my card?"
    select = Selector(pool, _texts(pool), AtRandom(0, 1), 1)
    assert len(select(PromptRow("eval.jsonl", 1, {"q": asked}), asked, asked)) == 1


def test_pool_that_is_too_small_names_the_row() -> None:
    with pytest.raises(DataError, match=r"row 1: its pool has 7 examples that may be shown, 8 are asked for"):
        _similar(8)(ROW, "x", "aaabb")
