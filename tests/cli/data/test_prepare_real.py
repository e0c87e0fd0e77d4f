"""`luthier data prepare` on published data sets: from the raw file to a versioned, profiled, split data set."""

from __future__ import annotations

import csv
import json
import re
import unicodedata
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from sklearn.feature_extraction.text import CountVectorizer

from luthier.cli.main import main
from luthier.data.versions.address import open_version

pytestmark = pytest.mark.slow

Rows = list[dict[str, Any]]


class Prepared:
    """What one recipe made.

    Args:
        facts: What the command printed as JSON.
        folder: Where the recipe lies.
    """

    def __init__(self, facts: dict[str, Any], folder: Path) -> None:
        self.facts = facts
        self.folder = folder
        self.train, self.eval, self.rejected = (
            self._lines(f"{name}.jsonl") for name in ("train", "eval", "rejected")
        )

    def _lines(self, name: str) -> Rows:
        text = (self.folder / self.facts["folder"] / name).read_text(encoding="utf-8")
        return [json.loads(line) for line in text.split("\n") if line]

    @property
    def places(self) -> list[tuple[str, int]]:
        """File and row number of every row, kept or left out."""
        rows = [*self.train, *self.eval, *self.rejected]
        return sorted({(row["source"], row["row"]) for row in rows})


@pytest.fixture
def prepare(
    shared_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., Prepared]:
    """Return a function that prepares files of the public data, stores the rows as ``real`` and profiles them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LUTHIER_PII_KEY", "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")
    for name in ("LUTHIER_DATA", "LUTHIER_DATA_KEY"):
        monkeypatch.delenv(name, raising=False)

    def command(*arguments: str) -> Any:
        main(["data", *arguments, "--json"])  # a fault would exit
        out, _ = capsys.readouterr()
        return json.loads(out)

    def run(file: str, eval_file: str | None = None, /, source: Any = None, **data: Any) -> Prepared:
        named = {"path": str(shared_data / file), **(source or {})}
        data = {"train": [named], "snapshot": {"dataset": "real"}, **data}
        if eval_file:
            data["eval"] = {"sources": [{**named, "path": str(shared_data / eval_file)}]}
        # JSON is YAML.
        Path("recipe.yaml").write_text(json.dumps({"name": "real", "data": data}), encoding="utf-8")
        made = Prepared(command("prepare", "recipe.yaml"), tmp_path)
        facts = made.facts
        left_out = sum(facts["left_out"].values())
        assert left_out == len(made.rejected)
        assert (facts["num_train"], facts["num_eval"]) == (len(made.train), len(made.eval))
        assert facts["version"] == "real@1"
        stored = [row for _, row in open_version(f"dataset://real@1?store={tmp_path / 'data-store'}")]
        assert [row["split"] for row in stored] == ["train"] * len(made.train) + ["eval"] * len(made.eval)
        profile = command("profile", str(tmp_path / facts["folder"] / "train.jsonl"))
        assert profile, "the profile says nothing"
        return made

    return run


def _prompts(rows: Rows, field: Callable[[dict[str, Any]], str]) -> set[str]:
    return {" ".join(field(row).split()).casefold() for row in rows}


def _first_question(row: dict[str, Any]) -> str:
    return next(message["content"] for message in row["messages"] if message["role"] == "user")


def test_coldataset(prepare: Callable[..., Prepared], shared_data: Path) -> None:
    """The files begin with a byte order mark and end lines with CRLF; neither may reach a text or a field's name."""
    files = [f"classification/coldataset_zh_{part}.csv" for part in ("train", "dev")]
    made = prepare(
        *files,
        source={"schema": "classification", "columns": {"text": "TEXT"}, "attributes": ["topic"]},
        clean={
            "unicode": True,
            "control_characters": True,  # one text has a byte order mark in its middle
            "white_space": "one_line",
            "deduplicate": "near",
            "pii": "mask",
        },
        decontaminate={"enabled": True},
        balance={"by": "label", "method": "weights"},
    )
    raw = []
    for file in files:
        with (shared_data / file).open(encoding="utf-8-sig", newline="") as lines:
            raw.append(list(csv.DictReader(lines)))
    assert made.facts["num_read"] == len(made.places) == len(raw[0]) + len(raw[1])
    rows = [*made.train, *made.eval]
    assert {row["topic"] for row in rows} == {row["topic"] for part in raw for row in part}
    assert not any("\r" in row["text"] or "\ufeff" in row["text"] for row in rows)
    labels = {(row["source"], row["row"]): row["label"] for row in rows}
    for part, rows_of_part in zip(("train", "dev"), raw, strict=True):
        wrong = [
            place
            for place, label in labels.items()
            if f"_{part}.csv" in place[0] and label != rows_of_part[place[1] - 1]["label"]
        ]
        assert not wrong
    assert not _prompts(made.train, lambda r: r["text"]) & _prompts(made.eval, lambda r: r["text"])
    weights = {
        label: sum(row.get("weight", 1) for row in made.train if row["label"] == label) for label in "01"
    }
    assert weights["0"] == pytest.approx(weights["1"])


def test_banking77(prepare: Callable[..., Prepared], shared_data: Path) -> None:
    made = prepare(
        "classification/banking77_train.csv",
        source={"columns": {"label": "category"}},
        eval={"split": 0.1, "near_duplicates": "together"},
        clean={"unicode": True, "white_space": "one_line", "deduplicate": "near"},
        augment={
            "operations": [{"kind": "typing", "share": 0.1}],
            "label_field": "label",
            "min_per_class": 60,
        },
        balance={"by": "label", "method": "oversample", "max_ratio": 2},
    )
    with (shared_data / "classification/banking77_train.csv").open(encoding="utf-8", newline="") as lines:
        raw = list(csv.DictReader(lines))
    assert made.facts["num_read"] == len(made.places) == len(raw)
    counts = {c: sum(row["label"] == c for row in made.train) for c in {row["category"] for row in raw}}
    assert len(counts) == 77 and max(counts.values()) <= 2 * min(counts.values())
    held_out = {row["row"] for row in made.eval}
    assert not held_out & {row["row"] for row in made.train}, "a held-out row was multiplied"
    assert _most_similar(made.train, made.eval, _ngram_of(made.rejected)) < 0.8


def _ngram_of(rejected: Rows) -> int:
    """Return the length of n-grams by which rows were compared: the reasons name it."""
    (length,) = {n for row in rejected for n in re.findall(r"character (\d)-grams", row["detail"])}
    return int(length)


def _most_similar(train: Rows, held_out: Rows, ngram: int) -> float:
    """Return the highest Jaccard similarity of texts on different sides, by another library, over all pairs."""
    grams = CountVectorizer(
        analyzer="char", ngram_range=(ngram, ngram), binary=True, dtype="int32", preprocessor=_folded
    )
    texts = [[row["text"] for row in rows] for rows in (train, held_out)]
    grams.fit([*texts[0], *texts[1]])
    left, right = (grams.transform(each) for each in texts)
    shared = (right @ left.T).toarray()
    sizes = right.sum(axis=1) + left.sum(axis=1).T - shared
    return float((shared / sizes).max())


def _folded(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def test_wnut17(prepare: Callable[..., Prepared], shared_data: Path) -> None:
    """A sentence is a run of lines that are not blank."""
    files = [f"ner/wnut17_{part}.conll" for part in ("train", "dev")]
    made = prepare(*files)
    sentences = []
    for file in files:
        lines = (shared_data / file).read_text(encoding="utf-8").split("\n")
        for is_token, run in groupby(lines, lambda line: bool(line.strip())):
            if is_token:
                sentences.append(tuple(line.split("\t")[0] for line in run))
    assert made.facts["num_read"] == len(made.places) == len(sentences)
    assert {tuple(row["tokens"]) for row in (*made.train, *made.eval)} <= set(sentences)
    sides = [{tuple(row["tokens"]) for row in rows} for rows in (made.train, made.eval)]
    assert not sides[0] & sides[1]


def test_xquad(prepare: Callable[..., Prepared], shared_data: Path) -> None:
    made = prepare("qa/xquad_zh.json", eval={"split": 0.1}, clean={"white_space": "collapse"})
    articles = json.loads((shared_data / "qa/xquad_zh.json").read_text(encoding="utf-8"))["data"]
    raw = sum(len(p["qas"]) for article in articles for p in article["paragraphs"])
    assert made.facts["num_read"] == len(made.places) == raw == 1190
    rows = [*made.train, *made.eval]
    for row in rows:
        for answer in row["answers"]:
            start = answer["answer_start"]
            assert row["context"][start : start + len(answer["text"])] == answer["text"]
    assert not {row["context"] for row in made.train} & {row["context"] for row in made.eval}


def test_alpaca(prepare: Callable[..., Prepared], shared_data: Path) -> None:
    made = prepare(
        "instruction/alpaca_en_demo.json",
        eval={"split": 0.1},
        clean={"unicode": True, "deduplicate": "near", "pii": "mask"},
    )
    raw = json.loads((shared_data / "instruction/alpaca_en_demo.json").read_text(encoding="utf-8"))
    assert made.facts["num_read"] == len(made.places) == len(raw)
    assert not _prompts(made.train, _first_question) & _prompts(made.eval, _first_question)


def test_glaive(prepare: Callable[..., Prepared], shared_data: Path) -> None:
    made = prepare(
        "instruction/glaive_toolcall_en_demo.json",
        eval={"folds": {"folds": 5, "hold_out": 2}},
        clean={"pii": {"action": "pseudonymise", "keep_map": True}},
    )
    raw = json.loads((shared_data / "instruction/glaive_toolcall_en_demo.json").read_text(encoding="utf-8"))
    assert made.facts["num_read"] == len(made.places) == len(raw)
    called = [row for row in (*made.train, *made.eval) if any("tool_calls" in m for m in row["messages"])]
    assert called and all(row["tools"] for row in called)
    assert not _prompts(made.train, _first_question) & _prompts(made.eval, _first_question)
    assert (made.folder / made.facts["folder"] / "pii_map.jsonl").stat().st_size
