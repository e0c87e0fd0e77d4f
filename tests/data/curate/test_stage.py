"""The rows stage as a whole: the order of its steps, what never touches held-out rows, and that nothing is lost."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest

from luthier.core.errors import DataError
from luthier.core.events import EventLog
from luthier.data.curate.stage import CuratedRows, curate
from luthier.data.versions.address import open_version
from luthier.recipe.schema import DataSection
from tests.data.curate import NO_MODELS

WORDS = "river mountain candle visitor journey quiet morning window garden letter winter harbour"


def _sentence(number: int) -> str:
    """Texts that have little in common."""
    words = WORDS.split()
    chosen = [words[(number * step + step) % len(words)] for step in range(1, 9)]
    return f"Story {number}: {' '.join(chosen)} number {number * 37 % 101}."


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def _curate(folder: Path, rows: list[dict[str, Any]], **data: Any) -> CuratedRows:
    _write(folder / "rows.jsonl", rows)
    source = {"path": "rows.jsonl", "attributes": data.pop("attributes", [])}
    section = DataSection.model_validate({"train": [source], **data})
    return curate(
        section,
        folder=folder / "rows",
        recipe_folder=folder,
        seed=3,
        fingerprint="f",
        models=NO_MODELS,
        events=EventLog(None),
    )


def _read(rows: CuratedRows, name: str) -> list[dict[str, Any]]:
    return [
        json.loads(line) for line in (rows.folder / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    ]


def _classes(count: int) -> list[dict[str, Any]]:
    return [
        {"text": _sentence(n), "label": "rare" if n % 8 == 0 else "usual", "topic": f"t{n % 5}"}
        for n in range(count)
    ]


def test_every_row_is_trained_held_out_or_left_out_once(tmp_path: Path) -> None:
    rows = [*_classes(40), _classes(1)[0], {"text": 7, "label": "usual"}, {"text": "x", "label": None}]
    made = _curate(tmp_path, rows, eval={"split": 0.25})
    places = [row["row"] for name in ("train", "eval", "rejected") for row in _read(made, name)]
    assert sorted(places) == list(range(1, 44))
    assert (made.num_read, made.num_train + made.num_eval) == (43, 40)
    assert made.num_left_out == 3 and made.left_out["duplicate"] == 1


def test_texts_are_equal_only_after_they_are_cleaned(tmp_path: Path) -> None:
    rows = [{"text": "One  story about a river"}, {"text": "One story about a river"}, {"text": _sentence(1)}]
    for name in "ab":
        (tmp_path / name).mkdir()
    assert _curate(tmp_path / "a", rows, eval={}).num_train == 3
    made = _curate(tmp_path / "b", rows, eval={}, clean={"white_space": "collapse"})
    assert made.left_out == {"duplicate": 1}


def test_held_out_rows_are_neither_augmented_nor_balanced(tmp_path: Path) -> None:
    rows = _classes(40)
    made = _curate(
        tmp_path,
        rows,
        eval={"split": 0.25},
        augment={"operations": [{"kind": "swap", "share": 0.5}]},
        balance={"by": "label", "method": "oversample"},
    )
    texts = {row["text"] for row in rows}
    held_out, train = _read(made, "eval"), _read(made, "train")
    assert len(held_out) == made.num_eval == 10
    assert {row["text"] for row in held_out} <= texts and all("weight" not in row for row in held_out)
    new = [row for row in train if row["text"] not in texts]
    assert new, "augmentation made no row"
    held_out_rows = {row["row"] for row in held_out}
    assert not held_out_rows & {row["row"] for row in train}, "a new row was made of a held-out one"
    counts = {label: sum(row["label"] == label for row in train) for label in ("rare", "usual")}
    assert counts["rare"] == counts["usual"]


def test_a_domain_is_held_out_with_what_would_leak_into_it(tmp_path: Path) -> None:
    rows = _classes(40)
    rows[1]["text"] = rows[0]["text"].upper()  # topics t1 and t0: the same text but for case
    made = _curate(
        tmp_path, rows, attributes=["topic"], eval={"out_of_domain": {"field": "topic", "values": ["t0"]}}
    )
    assert {row["topic"] for row in _read(made, "eval")} == {"t0"} and made.num_eval == 8
    assert "t0" not in {row["topic"] for row in _read(made, "train")}
    (leak,) = _read(made, "rejected")
    assert (leak["row"], leak["reason"]) == (2, "leaks_into_eval")


@pytest.mark.parametrize("others", [{"split": 0.25}, {"folds": {"folds": 4, "hold_out": 2}}])
def test_a_share_of_the_trained_domains_is_held_out_beside_another_domain(
    tmp_path: Path, others: dict[str, Any]
) -> None:
    rows = _classes(40)
    rows[1]["text"] = rows[0]["text"].upper()
    domain = {"out_of_domain": {"field": "topic", "values": ["t0"]}}
    made = _curate(tmp_path, rows, attributes=["topic"], eval={**domain, **others})
    held_out, train = _read(made, "eval"), _read(made, "train")
    topics = [row["topic"] for row in held_out]
    assert topics.count("t0") == 8 and "t0" not in {row["topic"] for row in train}
    # Of 32 rows inside, one leaks; about a quarter of the 31 others is held out.
    assert len(topics) - 8 in (7, 8) and len(train) + len(held_out) == 39
    assert [row["row"] for row in _read(made, "rejected")] == [2]


def test_folds_hold_every_row_out_once(tmp_path: Path) -> None:
    held_out = []
    for number in (1, 2, 3):
        folder = tmp_path / str(number)
        folder.mkdir()
        made = _curate(folder, _classes(30), eval={"folds": {"folds": 3, "hold_out": number}})
        held_out += [row["row"] for row in _read(made, "eval")]
    assert sorted(held_out) == list(range(1, 31))


def test_near_duplicates_stay_together(tmp_path: Path) -> None:
    rows = [
        {"text": f"{_sentence(n)} It goes on for quite a while after that, {end}"}
        for n in range(30)
        for end in ("says one.", "says another.")
    ]
    made = _curate(tmp_path, rows, eval={"split": 0.3, "near_duplicates": "together"})
    pairs = [{(row["row"] - 1) // 2 for row in _read(made, side)} for side in ("train", "eval")]
    assert pairs[1] and not pairs[0] & pairs[1]


def test_weights_are_kept_and_read_again(tmp_path: Path) -> None:
    made = _curate(tmp_path, _classes(40), eval={}, balance={"by": "label"})
    weights = {row["label"]: row["weight"] for row in _read(made, "train")}
    assert weights["rare"] == pytest.approx(7 * weights["usual"])


def test_the_rows_become_a_version_that_a_recipe_can_name(tmp_path: Path) -> None:
    made = _curate(
        tmp_path,
        _classes(20),
        eval={"split": 0.2},
        snapshot={"dataset": "stories", "store": "store", "tag": "v1"},
    )
    assert made.version == "stories@1"
    stored = [row for _, row in open_version(f"dataset://stories@v1?store={tmp_path / 'store'}")]
    assert [row["split"] for row in stored].count("eval") == made.num_eval == 4
    assert {row["text"] for row in stored} == {row["text"] for row in _classes(20)}
    again = _curate(
        tmp_path, _classes(20), eval={"split": 0.2}, snapshot={"dataset": "stories", "store": "store"}
    )
    assert again.version == "stories@1", "equal rows are the version that is there"


def test_too_little_that_can_be_used_is_refused_before_any_step(tmp_path: Path) -> None:
    rows = [*_classes(4), *({"text": n, "label": "usual"} for n in range(5))]
    with pytest.raises(DataError, match="5 of 9 rows cannot be used") as caught:
        _curate(tmp_path, rows, eval={}, balance={"by": "label"})
    assert "wrong_type, e.g. rows.jsonl, row 5" in str(caught.value)


def test_what_was_changed_is_kept_as_it_was(tmp_path: Path) -> None:
    made = _curate(
        tmp_path, [{"text": "A  b"}, {"text": _sentence(2)}], eval={}, clean={"white_space": "collapse"}
    )
    (change,) = _read(made, "changes")
    assert change["row"] == 1 and change["changes"][0]["before"] == "A  b"
    assert made.changes == {"white_space": 1}


def test_held_out_rows_are_filled_with_what_the_training_rows_say(tmp_path: Path) -> None:
    ages = {"rows.jsonl": [1, 3, None], "held_out.jsonl": [100, None]}
    for name, found in ages.items():
        rows = [{"text": _sentence(len(name) + n), "age": age} for n, age in enumerate(found)]
        _write(tmp_path / name, rows)
    made = _curate(
        tmp_path,
        [{"text": _sentence(n), "age": age} for n, age in enumerate(ages["rows.jsonl"])],
        attributes=["age"],
        eval={"sources": [{"path": "held_out.jsonl", "attributes": ["age"]}]},
        clean={"missing": [{"field": "attributes.age", "action": "mean"}]},
    )
    assert [float(row["age"]) for row in _read(made, "train")] == [1, 3, 2]
    assert [float(row["age"]) for row in _read(made, "eval")] == [100, 2]


def _with_evaluation_file(folder: Path, **data: Any) -> CuratedRows:
    letters = [Random(n).choices("abcdefghijklmnopqrstuvwxyz ", k=200) for n in range(20)]
    rows = [{"text": f"{''.join(each)} nobody knows why, says one."} for each in letters]
    rows.append({"text": rows[0]["text"].replace("one.", "some.")})  # like row 1, and like a held-out row
    held_out = [{"text": rows[n]["text"].replace("nobody", "somebody")} for n in range(3)]
    _write(folder / "held_out.jsonl", [*held_out, rows[3]])
    return _curate(
        folder, rows, eval={"sources": [{"path": "held_out.jsonl"}], **data.pop("eval", {})}, **data
    )


def test_training_rows_like_a_row_of_an_evaluation_file_are_left_out(tmp_path: Path) -> None:
    for name in ("equal", "near", "together"):
        (tmp_path / name).mkdir()
    assert _with_evaluation_file(tmp_path / "equal").left_out == {"in_evaluation_set": 1}
    made = _with_evaluation_file(tmp_path / "near", clean={"deduplicate": "near"})
    assert made.num_eval == 4
    assert made.left_out == {"near_duplicate": 1, "like_evaluation_row": 3, "in_evaluation_set": 1}
    made = _with_evaluation_file(tmp_path / "together", eval={"near_duplicates": "together"})
    assert made.left_out == {"like_evaluation_row": 4, "in_evaluation_set": 1}, "rows like each other stay"
    found = {
        row["row"]: row["detail"] for row in _read(made, "rejected") if row["reason"] == "like_evaluation_row"
    }
    assert sorted(found) == [1, 2, 3, 21]
    assert "similar to held_out.jsonl, row 2 (Jaccard of character" in found[2]


@pytest.mark.parametrize(
    "evaluation",
    [
        {"split": 0.5},
        {"folds": {"folds": 2}},
        {"out_of_domain": {"field": "topic", "values": ["a"]}},
    ],
)
def test_what_fills_a_missing_value_comes_from_training_rows_only(
    tmp_path: Path, evaluation: dict[str, Any]
) -> None:
    rows = [
        {"text": _sentence(n), "topic": "ab"[n % 2], "age": None if n < 8 else 1000.0 * (n % 2) + n}
        for n in range(24)
    ]
    made = _curate(
        tmp_path,
        rows,
        attributes=["topic", "age"],
        eval=evaluation,
        clean={"missing": [{"field": "attributes.age", "action": "mean"}]},
    )
    ages = {row["row"]: row["age"] for side in ("train", "eval") for row in _read(made, side)}
    train = [row["row"] - 1 for row in _read(made, "train")]
    known = [rows[n]["age"] for n in train if rows[n]["age"] is not None]
    assert len(_read(made, "eval")) > 5
    assert [float(ages[n + 1]) for n in range(8)] == pytest.approx([sum(known) / len(known)] * 8)
    assert all(float(ages[n + 1]) == rows[n]["age"] for n in range(8, 24))
