"""CoNLL: sentences of words with their columns, as the shared tasks publish them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luthier.core.errors import DataError
from luthier.data.conll import lines_of, sentences_of
from luthier.data.example import Rejection
from luthier.data.read import read_source
from luthier.data.sinks import writing
from luthier.data.sources import read_rows
from luthier.recipe.source_section import Source


def _sentences(text: str) -> list[dict[str, list[str | None]]]:
    return list(sentences_of(text.splitlines(keepends=True)))


def test_tabs_and_a_blank_line_that_holds_a_tab() -> None:
    assert _sentences("a b\tO\r\n＃\tB-x\r\n\t\r\nc\tO") == [
        {"tokens": ["a b", "＃"], "tags": ["O", "B-x"]},
        {"tokens": ["c"], "tags": ["O"]},
    ]


def test_conll_2003_has_four_columns_and_documents() -> None:
    text = "-DOCSTART- -X- -X- O\n\nEU NNP B-NP B-ORG\nrejects VBZ B-VP O\n\n"
    assert _sentences(text) == [
        {
            "tokens": ["EU", "rejects"],
            "column_2": ["NNP", "VBZ"],
            "column_3": ["B-NP", "B-VP"],
            "tags": ["B-ORG", "O"],
        }
    ]


def test_comments_before_a_sentence_but_no_hash_that_is_a_word() -> None:
    text = "# sent_id = 3\n# text = a b\n# O\n#tag B-x\n\n# id 5239\tdomain=en\nc _ _ O\nd _ _ O\n"
    assert [row["tokens"] for row in _sentences(text)] == [["#", "#tag"], ["c", "d"]]


def test_a_line_without_its_tag_is_a_row_that_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.conll").write_text("a\tO\nb\nc\tO\n\nd\tO\n\ne\n", encoding="utf-8")
    entries = list(read_source(Source(path="a.conll"), tmp_path))
    assert [(e.row, getattr(e, "reason", "kept")) for e in entries] == [
        (1, "missing_field"), (2, "kept"), (3, "missing_field"),
    ]  # fmt: skip
    assert isinstance(entries[0], Rejection) and entries[0].detail == "tags[1] is missing"


_WORD = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"]), min_size=1, max_size=6)


@given(st.lists(st.lists(st.tuples(_WORD, _WORD), min_size=1, max_size=6), max_size=5))
def test_what_is_written_is_read(sentences: list[list[tuple[str, str]]]) -> None:
    lines = [
        line for sentence in sentences for line in [*(f"{word}\t{tag}\n" for word, tag in sentence), "\n"]
    ]
    read = [list(zip(row["tokens"], row["tags"], strict=True)) for row in sentences_of(lines)]
    assert read == [s for s in sentences if [w for w, _ in s] != ["-DOCSTART-"]]


@given(st.text(max_size=200))
@pytest.mark.filterwarnings("error")
def test_any_text_has_as_many_tags_as_words(text: str) -> None:
    assert all(len(row["tokens"]) == len(row["tags"]) > 0 for row in sentences_of(text.splitlines(True)))


@given(st.lists(st.lists(st.tuples(_WORD, _WORD, _WORD), min_size=1, max_size=6), min_size=1, max_size=5))
def test_what_is_read_can_be_written_again(sentences: list[list[tuple[str, str, str]]]) -> None:
    rows = [
        {"tokens": [w for w, _, _ in s], "column_2": [c for _, c, _ in s], "tags": [t for _, _, t in s]}
        for s in sentences
    ]
    written = [lines_of(row) for row in rows]
    kept = [row for row, lines in zip(rows, written, strict=True) if lines is not None]
    text = "".join(f"{lines}\n" for lines in written if lines is not None)
    assert list(sentences_of(io.StringIO(text))) == kept
    assert all(row["tokens"][0] == "-DOCSTART-" for row in rows if row not in kept)


@pytest.mark.parametrize(
    "row",
    [
        {"tokens": ["a"], "tags": ["O", "O"]},
        {"tokens": ["a\tb"], "tags": ["O"]},
        {"tokens": ["a"], "tags": [None]},
        {"tokens": [" "], "tags": ["O"]},
        {"tokens": ["# a"], "tags": ["O"]},
        {"tokens": [], "tags": []},
        {"tokens": ["a"], "tags": ["O"], "id": 3},
        {"text": "a"},
        {},
        None,
    ],
)
def test_what_a_file_cannot_hold_is_refused(row: Any, tmp_path: Path) -> None:
    assert lines_of(row) is None
    with pytest.raises(DataError, match="CoNLL"), writing(tmp_path / "a.conll") as write:
        write(row)
    assert not list(tmp_path.iterdir())


def test_wnut17_goes_through_a_file_unchanged(shared_data: Path, tmp_path: Path) -> None:
    rows = [row for _, row in read_rows(shared_data / "ner" / "wnut17_dev.conll")]
    with writing(tmp_path / "a.conll.gz") as write:
        for row in rows:
            write(row)
    assert [row for _, row in read_rows(tmp_path / "a.conll.gz")] == rows
