"""Places of answers and words with tags, after their texts were rewritten."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luthier.data.clean.build import operators_of
from luthier.data.operators.batch import (
    batches_of_rows,
    batches_of_samples,
    rewrite_texts,
    rows_of,
    samples_of,
)
from luthier.data.operators.execute import apply_all
from luthier.data.operators.targets import KeepTargets
from luthier.data.sample import Answer, Sample
from luthier.data.schemas import convert
from luthier.recipe.data_sections.clean import CleanSection

_FIELDS = ["question", "context", "answers.*.text", "answers.text.*", "tokens.*"]


def _rewritten(row, rewrite):
    (batch,) = batches_of_rows([(1, row)], _FIELDS, source="f.json")
    batch = rewrite_texts(batch, "test", lambda texts: [rewrite(text) for text in texts])
    return KeepTargets()(batch)


def _tidy(text):
    return re.sub(" +", " ", text).strip()


_CONTEXT = "  Rome  is old.   Rome is  big, and old Rome too."


@pytest.mark.parametrize(
    ("answers", "moved"),
    [
        ([{"text": "Rome", "answer_start": 18}], [{"text": "Rome", "answer_start": 13}]),
        (
            {"text": ["Rome", "big"], "answer_start": [40, 27]},
            {"text": ["Rome", "big"], "answer_start": [34, 21]},
        ),
        ([{"text": "Rome", "start": 2}], [{"text": "Rome", "start": 0}]),
    ],
)
def test_each_answer_is_the_occurrence_that_it_was(answers, moved):
    batch = _rewritten({"question": "?", "context": _CONTEXT, "answers": answers}, _tidy)
    (row,) = rows_of(batch)
    assert row["context"] == "Rome is old. Rome is big, and old Rome too."
    assert row["answers"] == moved
    operators = [change["operator"] for change in batch["changes"].to_pylist()[0]]
    assert operators.count("answer_place") == str(moved).count("start") if isinstance(moved, list) else 2
    assert batch["changes"].to_pylist()[0][-1]["before"] in {"18", "40", "27", "2"}


def test_an_answer_that_cannot_be_told_leaves_the_row_out():
    row = {"question": "?", "context": "a B b", "answers": [{"text": "B", "answer_start": 2}]}
    batch = _rewritten(row, lambda text: text.replace("a ", "").lower())
    assert batch["reason"].to_pylist() == ["answer_moved"]
    assert "stands there 2 times, 1 times before" in batch["detail"].to_pylist()[0]


def test_a_tagged_word_that_is_gone_leaves_the_row_out():
    row = {"tokens": ["Anna", "👍", ""], "tags": ["B-PER", "O", "O"]}
    assert _rewritten(row, lambda text: text.replace("👍", ""))["reason"].to_pylist() == ["emptied_token"]
    assert _rewritten(row, str.upper)["reason"].to_pylist() == [None]


def test_samples_move_too():
    sample = Sample("f", 1, question="?", context=_CONTEXT, answers=(Answer("Rome", 40),))
    (batch,) = batches_of_samples([sample])
    batch = KeepTargets()(rewrite_texts(batch, "tidy", lambda texts: [_tidy(text) for text in texts]))
    assert samples_of(batch)[0].answers == (Answer("Rome", 34),)


@given(st.lists(st.sampled_from(["a", "b", "  ", "，", "浣犲ソ", "Ａ"]), min_size=1, max_size=12), st.data())
def test_a_row_that_is_kept_has_its_answer_where_it_says(pieces, data):
    context = "".join(pieces)
    start = data.draw(st.integers(0, len(context) - 1))
    text = context[start : data.draw(st.integers(start + 1, len(context)))]
    row = {"question": "?", "context": context, "answers": [{"text": text, "answer_start": start}]}
    section = CleanSection.model_validate({"unicode": True, "white_space": "collapse", "width": "all"})
    (batch,) = batches_of_rows([(1, row)], _FIELDS, source="f.json")
    batch = apply_all(operators_of(section), batch)
    if batch["reason"].null_count:
        (after,) = rows_of(batch)
        (answer,) = after["answers"]
        assert not text.strip() or after["context"].startswith(answer["text"], answer["answer_start"])


def test_real_questions_keep_their_answers(shared_data):
    data = json.loads((shared_data / "qa/xquad_zh.json").read_text(encoding="utf-8"))["data"]
    rows = [
        {"context": paragraph["context"].replace("，", "，  "), "question": q["question"], "answers": []}
        | {"answers": [{"text": a["text"].replace("，", "，  "), "answer_start": 0} for a in q["answers"]]}
        for entry in data
        for paragraph in entry["paragraphs"]
        for q in paragraph["qas"]
    ]
    for row in rows:
        for answer in row["answers"]:
            answer["answer_start"] = row["context"].index(answer["text"])
    batches = batches_of_rows(enumerate(rows, start=1), _FIELDS, source="f.json")
    section = CleanSection.model_validate({"white_space": "collapse"})
    kept = 0
    for batch in batches:
        batch = apply_all(operators_of(section), batch)
        for number, (row, reason) in enumerate(zip(rows_of(batch), batch["reason"].to_pylist(), strict=True)):
            if reason is None:
                kept += 1
                convert(
                    row, "question_answering", source="f.json", number=number
                )  # says where an answer is not
    assert kept > 0.99 * len(rows) and len(rows) == 1190
