"""Rows of any file have fields by name; a sample is a draw; an encoder embeds a text once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from luthier.core.errors import DataError
from luthier.prompts.remembered import Remembered
from luthier.prompts.rows import read_prompt_rows, row_of, sampled
from tests.prompts.making import letters, rows_of


def test_rows_of_a_table(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("text,label\nhello,a\n你好,b\n", encoding="utf-8")
    rows = read_prompt_rows(path)
    assert [(row.number, row.fields["text"]) for row in rows] == [(1, "hello"), (2, "你好")]
    assert row_of(rows, 2, path).fields["label"] == "b"
    with pytest.raises(DataError, match="numbers 1 to 2"):
        row_of(rows, 3, path)


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.csv", "x,y\n1,2,3\n", "1 fields more than the header"),
        ("a.jsonl", "[1]\n", "holds a list, no fields"),
    ],
)
def test_rows_without_fields(tmp_path: Path, name: str, text: str, told: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=told):
        read_prompt_rows(tmp_path / name)


def test_a_sample_is_a_draw_in_order() -> None:
    rows = rows_of(*({"n": n} for n in range(100)))
    numbers = [row.number for row in sampled(rows, 20, seed=1)]
    assert numbers == sorted(set(numbers)) and len(numbers) == 20
    assert numbers == [row.number for row in sampled(rows, 20, seed=1)]
    assert numbers != [row.number for row in sampled(rows, 20, seed=2)]
    assert max(numbers) > 60  # not the first ones, which in many files have one class
    assert sampled(rows, None, 0) == sampled(rows, 500, 0) == rows


def test_a_text_is_embedded_once_and_a_pool_for_good(tmp_path: Path) -> None:
    asked: list[str] = []

    def embed(texts: Sequence[str]) -> NDArray[np.float32]:
        asked.extend(texts)
        return letters(texts)

    pool = [f"{'a' * n}b" for n in range(300)]
    for _ in range(2):  # the second time as another command would
        encoder = Remembered(embed, "encoder", tmp_path)
        assert encoder(pool) == pytest.approx(letters(pool))
        assert encoder(["abc", pool[3], "abc"]) == pytest.approx(letters(["abc", pool[3], "abc"]))
    assert asked == [*pool, "abc", "abc"]
    Remembered(embed, "another encoder", tmp_path)(pool)
    assert len(asked) == 602
