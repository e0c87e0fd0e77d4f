"""The whole profile: what was planted is found, what is the same in parts is the same together."""

from __future__ import annotations

import json
import re
import tracemalloc
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from luthier.core.files import strict_json
from luthier.data.example import Rejection
from luthier.data.operators.batch import batches_of_samples
from luthier.data.profile.describe import describe
from luthier.data.profile.profiler import Profiler
from luthier.data.profile.report import render
from luthier.data.profile.sides import write_profile
from luthier.data.read import open_source
from luthier.data.sample import Message, Sample
from luthier.recipe.data_sections.profile import ProfileSection
from luthier.recipe.source_section import Source
from tests.models.tiny_chat import make_chat_tokenizer

HOSTILE = "<script>alert(1)</script>\"'{{ 7 * 7 }}</table></main>"


def _profiler(*files: list[Sample | Rejection], **options: Any) -> Profiler:
    profiler = Profiler(has_languages=False, **options)
    for number, rows in enumerate(files):
        assert list(profiler.read(f"file {number}", rows))[-1] == len(rows)
    return profiler


def _labelled(count: int = 600, tie: float = 0.0, rare: int = 5) -> list[Sample | Rejection]:
    """Rows whose label depends on their topic, as far as ``tie`` says, and one rare class."""
    rows: list[Sample | Rejection] = []
    for number in range(count):
        topic = "x" if number % 2 else "y"
        label = ("x" if number % 2 else "y") if number % 100 < 100 * tie else "xy"[number // 2 % 2]
        label = "rare" if number < rare else label
        rows.append(
            Sample(
                "a.csv",
                number + 1,
                text=f"text number {number}",
                labels=(label,),
                attributes={"topic": topic},
            )
        )
    return rows


def _codes(found: dict[str, Any]) -> set[str]:
    return {finding["code"] for finding in found["findings"]}


def test_classes_and_their_unevenness() -> None:
    found = describe(_profiler(_labelled()))
    assert found["rows"] == 600 and found["classes"]["number"] == 3
    assert [entry["rows"] for entry in found["classes"]["values"]] == [298, 297, 5]
    assert found["classes"]["largest_over_smallest"] == pytest.approx(298 / 5)
    assert 2.0 < found["classes"]["effective"] < 2.2
    assert "uneven_classes" in _codes(found)
    assert "uneven_classes" not in _codes(describe(_profiler(_labelled(rare=0))))


def test_the_smallest_of_many_classes_is_named() -> None:
    rows: list[Sample | Rejection] = []
    for number in range(300):
        rows += [
            Sample("a", 1, text=f"{number}-{n}", labels=(f"c{number:03}",))
            for n in range(20 if number else 300)
        ]
    rows.append(Sample("a", 1, text="alone", labels=("rarest",)))
    found = describe(_profiler(rows))
    assert len(found["classes"]["values"]) == 200 and found["classes"]["smallest"][-1]["name"] == "rarest"
    (finding,) = [f for f in found["findings"] if f["code"] == "uneven_classes"]
    assert "'c000' has 300 rows, 'rarest' 1" in finding["text"]
    assert "rarest" in render(found)


def test_a_tie_of_label_and_topic_is_found_and_none_is_invented() -> None:
    tied = describe(_profiler(_labelled(tie=0.8, rare=0)))
    (entry,) = [e for e in tied["associations"] if (e["first"], e["second"]) == ("label", "topic")]
    assert entry["cramers_v"] == pytest.approx(0.8, abs=0.03) and "tied_label" in _codes(tied)
    free = describe(_profiler(_labelled(tie=0.0, rare=0)))
    assert "tied_label" not in _codes(free)


def test_repeats_contradictions_and_texts_in_two_files() -> None:
    first: list[Sample | Rejection] = [Sample("a", n, text=f"t{n}", labels=("x",)) for n in range(10)]
    again = [*first[:3], Sample("b", 99, text="t9", labels=("y",))]
    found = describe(_profiler(first, again))
    assert found["repeats"] == {
        "repeated": 3,
        "contradicting": 1,
        "rows_contradicting": 2,
        "shared": [{"first": "file 0", "second": "file 1", "rows": 4}],
    }
    assert {"repeated", "contradicting", "shared_texts"} <= _codes(found)


def test_drift_between_files_and_against_a_reference() -> None:
    same, other = _labelled(rare=0), _labelled(rare=200)
    (pair,) = describe(_profiler(same, other))["drift"]
    assert (pair["before"], pair["after"]) == ("file 0", "file 1")
    verdicts = {entry["column"]: entry["verdict"] for entry in pair["columns"]}
    assert verdicts["label"] == "large" and verdicts["topic"] == "by chance"
    against = describe(_profiler(other), reference=_profiler(same))["drift"]
    assert [entry["column"] for entry in against[0]["columns"]][0] == "label"
    assert describe(_profiler(same))["drift"] == []


def test_lengths_of_a_longer_file_drift() -> None:
    short: list[Sample | Rejection] = [Sample("a", n, text="x" * (20 + n % 50)) for n in range(500)]
    long: list[Sample | Rejection] = [Sample("a", n, text="x" * (60 + n % 50)) for n in range(500)]
    (pair,) = describe(_profiler(short, long))["drift"]
    assert pair["columns"][0]["column"] == "text, characters" and pair["columns"][0]["verdict"] == "large"
    assert sum(pair["columns"][0]["before"]) == 500


def test_left_out_rows_are_counted_with_an_example() -> None:
    rows = [*_labelled(20), Rejection("a.csv", 21, "empty", "text is empty")]
    found = describe(_profiler(rows))
    assert found["left_out"] == {"empty": {"rows": 1, "example": "a.csv, row 21: text is empty"}}
    assert found["rows"] == 20 and "left_out" in _codes(found)


def test_a_column_of_names_is_not_compared() -> None:
    rows: list[Sample | Rejection] = [
        Sample("a", n, text=f"t{n}", labels=("x" if n % 2 else "y",), attributes={"id": str(n)})
        for n in range(2000)
    ]
    found = describe(_profiler(rows))
    assert found["not_compared"] == ["id"] and found["columns"]["id"]["has_more_values"]
    assert not [e for e in found["associations"] if "id" in (e["first"], e["second"])]


def test_memory_does_not_grow_with_the_texts() -> None:
    def rows(count: int) -> Iterator[Sample]:
        for number in range(count):
            yield Sample("a", number, text=f"{number} " * 300, attributes={"id": str(number)}, labels=("x",))

    peaks = []
    for count in (2000, 12_000):
        tracemalloc.start()
        for _ in Profiler(has_languages=False).read("a", rows(count)):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 10_000 * 100


class TestTokens:
    def test_parts_of_a_character(self) -> None:
        """A byte-level tokenizer that never saw Chinese spells each character in three bytes."""
        rows: list[Sample | Rejection] = [Sample("a", n, text="黑豹队的防守") for n in range(10)]
        found = describe(_profiler(rows, tokenizer=make_chat_tokenizer()))
        assert found["tokens"]["tokens_per_character"] == pytest.approx(3.0)
        assert found["tokens"]["fragment_share"] == 1.0 and "fragments" in _codes(found)
        assert found["tokens"]["of_rows"]["p50"] == 18

    def test_unknown_pieces_are_named(self) -> None:
        from tokenizers import Tokenizer
        from tokenizers.models import WordLevel
        from tokenizers.pre_tokenizers import Whitespace
        from transformers import PreTrainedTokenizerFast

        inner = Tokenizer(WordLevel({"[UNK]": 0, "the": 1, "fox": 2}, unk_token="[UNK]"))
        inner.pre_tokenizer = Whitespace()
        tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="[UNK]")
        rows: list[Sample | Rejection] = [
            Sample("a", 1, text="the fox jumps"),
            Sample("a", 2, text="the 狐狸 jumps"),
        ]
        found = describe(_profiler(rows, tokenizer=tokenizer))
        assert found["tokens"]["unknown_share"] == pytest.approx(0.5)
        assert found["tokens"]["unknown_pieces"] == {"jumps": 2, "狐狸": 1} and "unknown_tokens" in _codes(
            found
        )


class TestColumns:
    def test_missing_empty_and_constant(self) -> None:
        profiler = _profiler(_labelled(200))
        for number in range(200):
            row: dict[str, Any] = {"text": f"t{number}", "split": "train", "note": "" if number else "seen"}
            profiler.raw.add(row | ({"age": number} if number < 50 else {}))
        found = describe(profiler)
        facts = {column["name"]: column for column in found["raw_columns"]}
        assert facts["split"]["is_nearly_constant"] and facts["split"]["most_frequent"] == "train"
        assert facts["note"]["empty"] == 199 and facts["age"]["missing"] == 150
        assert facts["text"]["distinct"] == 200 and not facts["text"]["is_nearly_constant"]
        assert {"constant_column", "empty_column"} <= _codes(found)

    @pytest.mark.parametrize("row", [None, 3, "text", ["a"], {}, {"a": {"b": [1, float("nan")]}}, {1: b"x"}])
    def test_any_row_is_counted(self, row: Any) -> None:
        profiler = _profiler(_labelled(5))
        profiler.raw.add(row)
        json.dumps(strict_json(describe(profiler)))


class TestPage:
    def _page(self, found: dict[str, Any]) -> str:
        page = render(found)
        open_tags: list[str] = []

        class Parser(HTMLParser):
            def handle_starttag(self, tag: str, attrs: Any) -> None:
                if tag not in ("meta", "line", "rect"):
                    open_tags.append(tag)

            def handle_endtag(self, tag: str) -> None:
                if tag not in ("line", "rect"):
                    assert open_tags.pop() == tag

        parser = Parser()
        parser.feed(page)
        parser.close()
        assert open_tags == []
        assert not re.search(r"https?://|src=|<link|<script", page), "it opens offline"
        return page

    def test_shows_what_was_found(self) -> None:
        found = describe(_profiler(_labelled(tie=0.8), _labelled(rare=200), tokenizer=make_chat_tokenizer()))
        page = self._page(found)
        assert "label within topic" in page and "From file 0 to file 1" in page and "Tokenizer" in page
        for finding in found["findings"]:
            assert finding["level"] in page

    def test_hostile_names_are_text(self) -> None:
        rows: list[Sample | Rejection] = []
        for number in range(60):
            label, value = (HOSTILE, HOSTILE) if number % 2 else ("x", "y")
            text = HOSTILE * (number % 3 + 1)
            rows.append(Sample(HOSTILE, number, text=text, labels=(label,), attributes={HOSTILE: value}))
        rows.append(Rejection(HOSTILE, 61, HOSTILE, HOSTILE))
        profiler = _profiler(rows)
        profiler.raw.add({HOSTILE: HOSTILE})
        page = self._page(describe(profiler))
        assert "&lt;script&gt;" in page and "{{ 7 * 7 }}" in page

    def test_of_little(self) -> None:
        self._page(describe(_profiler([Rejection("a", 1, "empty", "text is empty")])))
        self._page(describe(_profiler([Sample("a", 1, text="a")])))
        chat = Sample("a", 1, messages=(Message("user", "q"), Message("assistant", "")))
        self._page(describe(_profiler([chat], tokenizer=make_chat_tokenizer())))


class TestSection:
    def test_writes_both_files_for_both_sides(self, tmp_path: Path) -> None:
        train, held_out = ([row for row in _labelled(n) if isinstance(row, Sample)] for n in (300, 100))
        section = ProfileSection.model_validate(
            {"enabled": True, "languages": False, "bins": {"topic": [1.0]}}
        )
        sides = {"train": batches_of_samples(train), "eval": batches_of_samples(held_out)}
        found = write_profile(section, sides, tmp_path, tokenizer=make_chat_tokenizer())
        assert found is not None and json.loads(
            (tmp_path / "profile.json").read_text(encoding="utf-8")
        ) == json.loads(json.dumps(strict_json(found)))
        assert found["files"] == [{"name": "train", "rows": 300}, {"name": "eval", "rows": 100}]
        assert found["tokens"]["tokens"] > 0 and "language" not in found["columns"]
        assert "From train to eval" in (tmp_path / "profile.html").read_text(encoding="utf-8")
        plain = ProfileSection.model_validate({"enabled": True, "languages": False, "tokens": False})
        again = write_profile(
            plain, {"train": batches_of_samples(train)}, tmp_path, tokenizer=make_chat_tokenizer()
        )
        assert again is not None and again["tokens"] is None

    def test_nothing_by_default(self, tmp_path: Path) -> None:
        assert write_profile(ProfileSection(), {}, tmp_path) is None and not list(tmp_path.iterdir())

    @pytest.mark.parametrize(
        ("written", "said"),
        [({"tokens": False}, "without enabled"), ({"enabled": True, "bins": {"a": [2.0, 1.0]}}, "do not grow"),
         ({"enabled": True, "bins": {"a": []}}, "at least 1")],
    )  # fmt: skip
    def test_refused(self, written: dict[str, Any], said: str) -> None:
        with pytest.raises(ValidationError, match=said):
            ProfileSection.model_validate(written)


class TestRealData:
    def _read(self, path: Path, **settings: Any) -> dict[str, Any]:
        profiler = Profiler(has_languages=False)
        opened = open_source(
            Source.model_validate({"path": path.name, **settings}), path.parent, on_row=profiler.raw.add
        )
        list(profiler.read(path.name, opened.rows))
        return describe(profiler)

    def test_coldataset(self, shared_data: Path) -> None:
        """The table of label and topic is that of the file, counted with awk."""
        path = shared_data / "classification" / "coldataset_zh_train.csv"
        found = self._read(path, columns={"text": "TEXT"}, attributes=["topic"])
        (entry,) = [e for e in found["associations"] if (e["first"], e["second"]) == ("label", "topic")]
        counts = dict(zip(entry["values"][1], entry["table"][entry["values"][0].index("1")], strict=True))
        assert counts == {"race": 5595, "region": 3871, "gender": 3257}
        assert 0.04 < entry["cramers_v"] < 0.08 and entry["q_value"] < 0.001
        assert [c["name"] for c in found["raw_columns"]] == ["", "split", "topic", "label", "TEXT"]

    def test_wnut17(self, shared_data: Path) -> None:
        """The mentions are those of Derczynski et al. 2017 (WNUT 2017, table 2), and of grep -c for each B- tag."""
        found = self._read(shared_data / "ner" / "wnut17_train.conll")
        counts = {entry["name"]: entry["rows"] for entry in found["classes"]["values"]}
        assert counts == {
            "person": 660, "location": 548, "group": 264, "corporation": 221, "product": 142, "creative-work": 140,
        }  # fmt: skip

    def test_xquad(self, shared_data: Path) -> None:
        found = self._read(shared_data / "qa" / "xquad_zh.json")
        assert found["rows"] == 1190 and set(found["characters"]) == {"context", "question", "answer"}
        assert found["kinds"] == {"question_answering": 1190}
