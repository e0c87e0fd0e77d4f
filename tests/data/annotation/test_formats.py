"""Files of other tools: their real layout is read, what is written is read back, and faults name row and field."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any
from uuid import UUID
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from luthier.core.errors import DataError
from luthier.data.annotation.files import detect, open_ratings, write_ratings
from luthier.data.annotation.items import Gold, Item, Prelabel, Rating
from luthier.data.annotation.labelstudio import labeling_config
from luthier.data.annotation.settings import Settings

LABELS = ("yes", "no", "不确定")
SETTINGS = Settings(LABELS, question="意图")

# The layout of https://labelstud.io/guide/task_format.html, with a Choices tag.
LABELSTUDIO: list[dict[str, Any]] = [
    {
        "id": 41,
        "created_at": "2026-03-09T21:52:49.513742Z",
        "updated_at": "2026-03-09T22:16:08.746926Z",
        "project": 83,
        "data": {"text": "取消订单", "topic": 3},
        "annotations": [
            {
                "id": 1001,
                "result": [
                    {
                        "id": "Dx_aB91ISN",
                        "from_name": "intent",
                        "to_name": "text",
                        "type": "choices",
                        "value": {"choices": ["yes"]},
                        "origin": "manual",
                    },
                    {
                        "id": "q",
                        "from_name": "note",
                        "to_name": "text",
                        "type": "textarea",
                        "value": {"text": ["?"]},
                    },
                ],
                "was_cancelled": False,
                "ground_truth": False,
                "created_at": "2026-03-09T22:16:08.728353Z",
                "updated_at": "2026-03-09T22:17:08.728378Z",
                "lead_time": 4.288,
                "result_count": 1,
                "task": 41,
                "completed_by": {"id": 10, "email": "ann@example.com", "first_name": "", "last_name": ""},
            },
            {"id": 1002, "result": [], "was_cancelled": True, "ground_truth": False, "completed_by": 7},
            {
                "id": 1003,
                "result": [
                    {
                        "from_name": "intent",
                        "to_name": "text",
                        "type": "choices",
                        "value": {"choices": ["no"]},
                    }
                ],
                "was_cancelled": False,
                "ground_truth": True,
                "completed_by": 1,
            },
        ],
        "drafts": [],
        "predictions": [
            {
                "model_version": "model 1",
                "score": 0.75,
                "result": [
                    {
                        "from_name": "intent",
                        "to_name": "text",
                        "type": "choices",
                        "value": {"choices": ["no"]},
                    }
                ],
            }
        ],
    }
]

# The layout that argilla's Record.to_dict writes (argilla 2, records/_resource.py).
ARGILLA: list[dict[str, Any]] = [
    {
        "id": "7f3c",
        "fields": {"text": "取消订单"},
        "metadata": {"topic": 3},
        "suggestions": {"intent": {"value": "no", "score": 0.75, "agent": "model 1"}},
        "responses": {
            "intent": [
                {"value": "yes", "user_id": "2ab09b4f-0000-4000-8000-000000000001"},
                {"value": "no", "user_id": "2ab09b4f-0000-4000-8000-000000000002"},
            ],
        },
        "vectors": {},
        "_server_id": "2ab09b4f-0000-4000-8000-00000000000f",
    }
]


def written(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
    return path


def test_label_studio(tmp_path: Path) -> None:
    source = open_ratings(written(tmp_path / "export.json", LABELSTUDIO))
    (item,) = source.items()
    assert (item.id, item.data) == ("41", {"text": "取消订单", "topic": 3})
    assert item.ratings == (
        Rating("ann@example.com", "yes", "2026-03-09T22:17:08.728378+00:00", 4.288),
        Rating("7", None),
    )
    assert item.gold == Gold("no", "1")
    assert item.prelabels == (Prelabel("no", 0.75, "model 1"),)
    assert source.ignored["results of note"] == 1


def test_argilla(tmp_path: Path) -> None:
    (item,) = open_ratings(written(tmp_path / "export.json", ARGILLA)).items()
    assert (item.id, item.data) == ("7f3c", {"text": "取消订单", "topic": 3})
    assert [(r.rater[-1], r.label) for r in item.ratings] == [("1", "yes"), ("2", "no")]
    assert item.prelabels == (Prelabel("no", 0.75, "model 1"),)


def test_columns(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text(
        "\ufeffid,text,rater:ann,rater:bea,count:yes,gold\r\n7,你好,yes,,2,\r\n8,嗯,no,(skipped),,no\r\n"
    )
    first, second = open_ratings(path).items()
    assert (first.id, first.data, first.counts, first.gold) == ("7", {"text": "你好"}, {"yes": 2}, None)
    assert first.ratings == (Rating("ann", "yes"),)
    assert second.ratings == (Rating("ann", "no"), Rating("bea", None)) and second.gold == Gold("no")
    named = list(open_ratings(path, raters=["rater:ann"], id_field="text").items())
    assert named[0].id == "你好" and named[0].ratings == (Rating("rater:ann", "yes"),)


NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Z"]), min_size=1, max_size=6)
TIMES = st.none() | st.just("2026-11-23T10:15:00.123456+00:00")
ITEMS = st.lists(
    st.builds(
        Item,
        id=NAMES,
        data=st.builds(lambda text, number: {"text": text, "number": number}, NAMES, st.integers(0, 9)),
        ratings=st.lists(
            st.builds(Rating, rater=NAMES, label=st.sampled_from(LABELS) | st.none(), at=TIMES),
            max_size=3,
            unique_by=lambda rating: rating.rater,
        ).map(tuple),
        counts=st.dictionaries(st.sampled_from(LABELS), st.integers(1, 3), max_size=2),
        gold=st.none() | st.builds(Gold, label=st.sampled_from(LABELS), by=st.none() | NAMES, at=TIMES),
        prelabels=st.none().map(lambda _: ())
        | st.tuples(
            st.builds(
                Prelabel,
                label=st.sampled_from(LABELS),
                score=st.none() | st.floats(0, 1),
                model=NAMES,
                at=st.none(),
            )
        ),
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda item: item.id,
)


def comparable(item: Item) -> Any:
    ratings = sorted(item.ratings, key=lambda rating: rating.rater)
    return item.id, dict(item.data), ratings, dict(item.counts), item.gold, item.prelabels


@pytest.mark.parametrize("format", ["labelstudio", "argilla"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(items=ITEMS)
def test_round_trip(tmp_path: Path, format: Any, items: list[Item]) -> None:
    path = tmp_path / "file.json"
    write_ratings(path, items, SETTINGS, format)
    assert detect(path) == format
    read = list(open_ratings(path).items())
    assert [comparable(item) for item in read] == [comparable(item) for item in items]


def test_round_trip_of_columns(tmp_path: Path) -> None:
    items = [
        Item("1", {"text": "a"}, (Rating("ann", "yes"), Rating("bea", None)), {"no": 2}, Gold("yes")),
        Item("2", {"text": "b"}, (Rating("cem", "不确定"),)),
    ]
    for suffix in (".csv", ".jsonl", ".parquet"):
        path = tmp_path / f"table{suffix}"
        write_ratings(path, items, SETTINGS, "columns")
        assert [comparable(i) for i in open_ratings(path).items()] == [comparable(i) for i in items]


def test_what_is_written_is_what_the_tools_import(tmp_path: Path) -> None:
    items = [
        Item("r", {"text": "a", "n": 1}, (Rating("ann", "yes"),), prelabels=(Prelabel("no", 0.5, "m"),)),
        Item("s", {"text": "b"}, (Rating("12", "no"),)),
    ]
    write_ratings(tmp_path / "ls.json", items, SETTINGS, "labelstudio")
    tasks = json.loads((tmp_path / "ls.json").read_text())
    result = tasks[0]["annotations"][0]["result"][0]
    assert {k: result[k] for k in ("from_name", "to_name", "type", "value")} == {
        "from_name": "意图",
        "to_name": "text",
        "type": "choices",
        "value": {"choices": ["yes"]},
    }
    assert tasks[0]["predictions"][0]["model_version"] == "m"
    assert [task["annotations"][0]["completed_by"] for task in tasks] == [{"email": "ann"}, 12]
    write_ratings(tmp_path / "argilla.json", items, SETTINGS, "argilla")
    record = json.loads((tmp_path / "argilla.json").read_text())[0]
    assert set(record) == set(ARGILLA[0])
    assert record["suggestions"] == {"意图": {"value": "no", "score": 0.5, "agent": "m"}}
    assert str(UUID(record["responses"]["意图"][0]["user_id"])) == record["responses"]["意图"][0]["user_id"]
    view = ElementTree.fromstring(labeling_config(Settings(("a & b", '"c"'))))
    assert [choice.get("value") for choice in view.iter("Choice")] == ["a & b", '"c"']
    with pytest.raises(DataError, match="reads .json"):
        write_ratings(tmp_path / "ls.csv", items, SETTINGS, "labelstudio")


def change(value: list[dict[str, Any]], path: tuple[Any, ...], new: Any) -> list[dict[str, Any]]:
    changed = copy.deepcopy(value)
    place: Any = changed
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = new
    return changed


ANSWER = (0, "annotations", 0, "result", 0, "value")


@pytest.mark.parametrize(
    ("path", "new", "message"),
    [
        ((0, "data"), "text", "no task of Label Studio"),
        ((0, "id"), None, "neither 'id'"),
        ((0, "annotations"), {}, "a list of objects was expected"),
        ((0, "annotations", 0, "completed_by"), [1], "names no rater"),
        ((0, "annotations", 0, "updated_at"), "yesterday", "'yesterday' is not a time"),
        (ANSWER, {"choices": ["yes", "no"]}, "2 labels"),
        (ANSWER, {"choices": ["yes"], "start": 0, "end": 3}, "labels a part of the row"),
        (ANSWER, 3, "labels a part of the row"),
        ((0, "completions"), [], "before 1.0"),
    ],
)
def test_faults_of_label_studio(tmp_path: Path, path: tuple[Any, ...], new: Any, message: str) -> None:
    file = written(tmp_path / "file.json", change(LABELSTUDIO, path, new))
    with pytest.raises(DataError, match=message) as raised:
        list(open_ratings(file, "labelstudio", control="intent").items())
    assert "row 1" in str(raised.value)


@pytest.mark.parametrize(
    ("path", "new", "message"),
    [
        ((0, "fields"), None, "no record of Argilla"),
        ((0, "id"), None, "'id' is missing"),
        ((0, "responses"), [], None),
        ((0, "responses", "intent"), [1], "objects with a value"),
        ((0, "responses", "intent", 0, "user_id"), None, "names no rater"),
        ((0, "responses", "intent", 0, "value"), ["yes", "no"], "one label a row"),
        ((0, "metadata"), {"luthier": "{"}, "what Luthier writes"),
        ((0, "metadata"), 3, "an object was expected"),
    ],
)
def test_faults_of_argilla(tmp_path: Path, path: tuple[Any, ...], new: Any, message: str | None) -> None:
    file = written(tmp_path / "file.json", change(ARGILLA, path, new))
    source = open_ratings(file, "argilla", control="intent")
    if message is None:
        assert next(source.items()).ratings == ()
        return
    with pytest.raises(DataError, match=message) as raised:
        list(source.items())
    assert "row 1" in str(raised.value)


@pytest.mark.parametrize(("value", "place"), [(LABELSTUDIO, ANSWER[:4]), (ARGILLA, (0, "responses"))])
def test_two_questions_must_be_told_apart(
    tmp_path: Path, value: list[dict[str, Any]], place: tuple[Any, ...]
) -> None:
    changed = copy.deepcopy(value)
    holder: Any = changed
    for step in place:
        holder = holder[step]
    if isinstance(holder, list):
        holder.append({"from_name": "tone", "type": "choices", "value": {"choices": ["no"]}})
    else:
        holder["tone"] = [{"value": "no", "user_id": "u"}]
    file = written(tmp_path / "file.json", changed)
    with pytest.raises(DataError, match=r"2 questions: intent, tone[\s\S]*--control"):
        list(open_ratings(file).items())
    assert next(open_ratings(file, control="tone").items()).ratings[0].label == "no"


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("text\na\n", {}, "holds no ratings"),
        ("text,x\na,yes\n", {"raters": ["y"]}, "no column 'y'"),
        ("text,yes\na,many\n", {"counts": ["yes"]}, "'many' is no number of raters"),
        ("text,yes\na,-1\n", {"counts": ["yes"]}, "'-1' is no number"),
        ("id,rater:a\n,yes\n", {}, "the id is empty"),
        ("id,rater:a\n1,yes,no\n", {}, "more fields than the header"),
    ],
)
def test_faults_of_columns(tmp_path: Path, text: str, options: dict[str, Any], message: str) -> None:
    path = tmp_path / "table.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        list(open_ratings(path, **options).items())


def test_an_option_without_effect_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="--rater has no effect on the format labelstudio"):
        open_ratings(written(tmp_path / "a.json", LABELSTUDIO), raters=["x"])
    path = tmp_path / "table.csv"
    path.write_text("rater:a\nyes\n")
    with pytest.raises(DataError, match="--control has no effect on the format columns"):
        open_ratings(path, control="x")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["yes", "choices", ""]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["result", "value", "choices", "type"]), inner, max_size=2)
    ),
    max_leaves=4,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of everything inside a value."""
    if not isinstance(value, dict | list):
        return [path] if path else []
    steps = value.items() if isinstance(value, dict) else enumerate(value)
    return ([path] if path else []) + [found for step, part in steps for found in places(part, (*path, step))]


@pytest.mark.parametrize("value", [LABELSTUDIO, ARGILLA])
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_damage_is_read_or_refused(
    tmp_path: Path, value: list[dict[str, Any]], data: st.DataObject
) -> None:
    changed = change(value, data.draw(st.sampled_from(places(value))), data.draw(JSON))
    format = "labelstudio" if value is LABELSTUDIO else "argilla"
    try:
        items = list(open_ratings(written(tmp_path / "file.json", changed), format, control="intent").items())
    except DataError:
        return
    assert len(items) == 1
