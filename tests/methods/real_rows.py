"""A few rows of public data sets for every objective; made ones where those do not lie beside the project."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

from luthier.data.sources import read_rows
from tests.conftest import SHARED_DATA
from tests.pipeline import test_question_answering, test_token_classification
from tests.tiny_job import ANIMALS, COLOURS

Rows = list[dict[str, Any]]
_COUNT = 16


def _conversations() -> Rows:
    rows = read_rows(SHARED_DATA / "instruction" / "alpaca_en_demo.json")
    return [row for _, row in islice(rows, 200) if len(row["input"] + row["output"]) < 120]


def _documents() -> Rows:
    rows = read_rows(SHARED_DATA / "text" / "c4_demo.jsonl")
    return [{"text": row["text"][:300]} for _, row in islice(rows, _COUNT)]


def _intents() -> Rows:
    """Two classes in turn: the file is sorted by them."""
    rows = read_rows(SHARED_DATA / "classification" / "banking77_train.csv")
    by_class: dict[str, Rows] = {}
    for _, row in islice(rows, 300):
        by_class.setdefault(row["category"], []).append({"text": row["text"], "label": row["category"]})
    first, second = islice(by_class.values(), 2)
    return [row for pair in zip(first, second, strict=False) for row in pair]


def _sentences() -> Rows:
    """Short ones; every other one has an entity."""
    rows = [row for _, row in islice(read_rows(SHARED_DATA / "ner" / "wnut17_train.conll"), 600)]
    short = [row for row in rows if len(row["tokens"]) < 20]
    told = [row for row in short if set(row["tags"]) & {"B-person", "B-location"}]
    return [row for pair in zip(told, (r for r in short if r not in told), strict=False) for row in pair]


def _kinds_of_entities() -> Rows:
    """What a sentence names, as any number of labels."""
    return [
        {"text": " ".join(row["tokens"]), "label": sorted({tag[2:] for tag in row["tags"]} - {""})}
        for row in _sentences()
    ]


def _questions() -> Rows:
    """One about each context."""
    rows = {row["context"]: row for _, row in read_rows(SHARED_DATA / "qa" / "xquad_en.json")}
    return [row for context, row in rows.items() if len(context) < 520]


def _made_texts() -> Rows:
    return [
        {"text": f"a {colour} {animal}", "label": "warm" if colour in ("red", "pink") else "cold"}
        for animal in ANIMALS
        for colour in COLOURS
    ]


_SOURCES: dict[str, tuple[Callable[[], Rows], Callable[[], Rows]]] = {
    "sft": (
        _conversations,
        lambda: [
            {"instruction": f"Name the {row['text']}", "output": f"It is {row['text']}."}
            for row in _made_texts()
        ],
    ),
    "pretraining": (_documents, lambda: [{"text": f"{row['text']}. " * 4} for row in _made_texts()]),
    "classification": (_intents, _made_texts),
    "multi_label": (
        _kinds_of_entities,
        lambda: [{**row, "label": row["text"].split()[1:]} for row in _made_texts()],
    ),
    "token_classification": (_sentences, test_token_classification.rows),
    "question_answering": (_questions, test_question_answering.rows),
}


def rows_of(kind: str) -> Rows:
    """Return 16 rows of a kind: an objective's name, or ``multi_label``; the next 16 after ``more_``."""
    real, made = _SOURCES[kind.removeprefix("more_")]
    rows = real() if SHARED_DATA.is_dir() else made()
    start = _COUNT if kind.startswith("more_") else 0
    assert len(rows) >= start + _COUNT, (kind, len(rows))
    return rows[start : start + _COUNT]


def write_rows(kind: str, folder: Path) -> str:
    """Write the rows beside a recipe and return the file's name."""
    name = f"{kind}.jsonl"
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows_of(kind)), encoding="utf-8")
    return name
