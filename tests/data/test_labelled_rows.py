"""Classes, tags and spans: converted whole, and a row that does not fit names its field."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luthier.core.errors import DataError
from luthier.data.duplicates.exact import content_hash
from luthier.data.encode import ChatEncoder, TextEncoder
from luthier.data.example import Rejection
from luthier.data.read import open_source, read_source
from luthier.data.sample import Answer, Message, Sample
from luthier.data.schemas import RowError, convert, detect_schema
from luthier.data.split import split_rows
from luthier.data.squad import questions_of
from luthier.data.store import sample_of
from luthier.data.template import ChatTemplate
from luthier.recipe.source_section import Source
from tests.models.tiny_chat import make_chat_tokenizer

CONTEXT = "黑豹队的防守只丢了 308分，在联赛中排名第六。"
QUESTION = {"question": "丢了多少分？", "context": CONTEXT, "answers": [{"text": "308", "answer_start": 10}]}


def _convert(row: Any, schema: str) -> Sample:
    return convert(row, schema, source="made.jsonl", number=7)


def _reason(row: Any, schema: str) -> tuple[str, str]:
    with pytest.raises(RowError) as caught:
        _convert(row, schema)
    return caught.value.reason, caught.value.detail


def _read(folder: Path, rows: list[Any], **settings: Any) -> list[Sample | Rejection]:
    (folder / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return list(read_source(Source.model_validate({"path": "a.jsonl", **settings}), folder))


class TestClassification:
    @pytest.mark.parametrize(
        ("label", "labels"),
        [("card", ("card",)), (1, ("1",)), (False, ("false",)), (["a", "b"], ("a", "b")), ([], ()), ([0], ("0",))],
    )  # fmt: skip
    def test_labels_become_names(self, label: Any, labels: tuple[str, ...]) -> None:
        sample = _convert({"text": "你好", "label": label}, "classification")
        assert (sample.text, sample.labels, sample.kind) == ("你好", labels, "classification")

    def test_pair(self) -> None:
        row = {"text": "a", "text_pair": "b", "label": "entails"}
        assert _convert(row, "classification").text_pair == "b"

    @pytest.mark.parametrize(
        ("change", "reason", "said"),
        [
            ({"label": None}, "missing_field", "label is missing"),
            ({"label": ""}, "empty_label", "label is empty"),
            ({"label": {"a": 1}}, "wrong_type", "label is an object"),
            ({"label": ["a", None]}, "missing_field", "label[1] is missing"),
            ({"label": ["a", "a"]}, "repeated_label", "'a' twice"),
            ({"text": " "}, "empty", "text is empty"),
            ({"text": 3}, "wrong_type", "text is a number"),
            ({"text_pair": ""}, "empty", "text_pair is empty"),
            ({"text_pair": 3}, "wrong_type", "text_pair is a number"),
            ({"text_pair": json.loads('"\\ud83d"')}, "broken_unicode", "surrogate"),
            ({"label": json.loads('"\\ud83d"')}, "broken_unicode", "surrogate"),
        ],
    )
    def test_what_does_not_fit_is_named(self, change: dict[str, Any], reason: str, said: str) -> None:
        found, detail = _reason({"text": "a", "label": "b", **change}, "classification")
        assert found == reason and said in detail

    def test_a_truth_value_is_a_class_and_no_verdict(self, tmp_path: Path) -> None:
        (sample,) = _read(tmp_path, [{"text": "a", "label": True}])
        assert isinstance(sample, Sample) and sample.labels == ("true",)

    def test_a_label_far_down_is_not_swallowed(self, tmp_path: Path) -> None:
        rows = [{"text": f"{n}"} for n in range(200)] + [{"text": "a", "label": "b"}]
        with pytest.raises(DataError, match=r"mixes schemas: text .*classification \(row 201\)"):
            _read(tmp_path, rows)
        assert len(_read(tmp_path, rows, schema="text")) == 201

    def test_pretraining_says_why_it_does_not_read_them(self) -> None:
        encode = TextEncoder(make_chat_tokenizer(), max_length=16)
        rejected = encode(_convert({"text": "one two", "label": "b"}, "classification"))
        assert isinstance(rejected, Rejection) and rejected.reason == "not_text"
        assert "schema: text" in rejected.detail
        assert isinstance(encode(_convert({"text": "one two", "label": "b"}, "text")), list)

    def test_banking77(self, shared_data: Path) -> None:
        settings = {"path": "banking77_train.csv", "columns": {"label": "category"}}
        opened = open_source(Source.model_validate(settings), shared_data / "classification")
        samples = [row for row in opened.rows if isinstance(row, Sample)]
        assert opened.schema == "classification"
        # 10,003 training rows of 77 intents: Casanueva et al. 2020 (arXiv:2003.04807)
        assert len(samples) == 10_003 and len({sample.labels for sample in samples}) == 77

    def test_coldataset_has_a_byte_order_mark(self, shared_data: Path) -> None:
        path, columns = "coldataset_zh_train.csv", {"text": "TEXT"}
        source = Source.model_validate({"path": path, "columns": columns, "attributes": ["topic"]})
        samples = [
            row for row in read_source(source, shared_data / "classification") if isinstance(row, Sample)
        ]
        assert len(samples) == 25_726 and {sample.labels for sample in samples} == {("0",), ("1",)}
        assert {sample.attributes["topic"] for sample in samples} == {"race", "gender", "region"}
        assert not any(sample.text and sample.text.endswith("\r") for sample in samples)


class TestTokenClassification:
    def test_tokens_and_tags(self) -> None:
        sample = _convert({"tokens": ["北京", "很", "大"], "tags": ["B-LOC", 0, "O"]}, "token_classification")
        assert (sample.tokens, sample.tags) == (("北京", "很", "大"), ("B-LOC", "0", "O"))
        assert sample.kind == "token_classification"

    @pytest.mark.parametrize(
        ("row", "reason", "said"),
        [
            ({"tokens": ["a"], "tags": []}, "length_mismatch", "tags has 0"),
            ({"tokens": [], "tags": []}, "empty", "tokens is empty"),
            ({"tokens": "a b", "tags": ["O", "O"]}, "wrong_type", "tokens is a string"),
            ({"tokens": ["a"], "tags": "O"}, "wrong_type", "tags is a string"),
            ({"tokens": ["a", 3], "tags": ["O", "O"]}, "wrong_type", "tokens[1] is a number"),
            ({"tokens": ["a", " "], "tags": ["O", "O"]}, "empty_token", "tokens[1]"),
            ({"tokens": ["a", "b"], "tags": ["O", None]}, "missing_field", "tags[1] is missing"),
        ],
    )
    def test_what_does_not_fit_is_named(self, row: Any, reason: str, said: str) -> None:
        found, detail = _reason(row, "token_classification")
        assert found == reason and said in detail

    @pytest.mark.parametrize(("split", "rows"), [("train", 3394), ("dev", 1009), ("test", 1287)])
    def test_wnut17(self, shared_data: Path, split: str, rows: int) -> None:
        """The numbers are those of the README beside the files."""
        opened = open_source(Source(path=f"wnut17_{split}.conll"), shared_data / "ner")
        samples = [row for row in opened.rows if isinstance(row, Sample)]
        assert opened.schema == "token_classification" and len(samples) == rows
        assert all(tag == "O" or tag[:2] in ("B-", "I-") for sample in samples for tag in sample.tags)


class TestQuestionAnswering:
    def test_both_forms_of_answers(self) -> None:
        sample = _convert(QUESTION, "question_answering")
        hub = {**QUESTION, "answers": {"text": ["308"], "answer_start": [10]}}
        assert sample.answers == (Answer("308", 10),) and sample.kind == "question_answering"
        assert _convert(hub, "question_answering") == sample

    @pytest.mark.parametrize("answers", [[], {"text": [], "answer_start": []}])
    def test_question_without_an_answer(self, answers: Any) -> None:
        assert _convert({**QUESTION, "answers": answers}, "question_answering").answers == ()

    @pytest.mark.parametrize(
        ("change", "reason", "said"),
        [
            ({"answers": [{"text": "309", "answer_start": 10}]}, "answer_not_in_context", "'309'"),
            ({"answers": [{"text": "308", "answer_start": 0}]}, "answer_at_other_offset", "stands at 10"),
            ({"answers": [{"text": "308", "answer_start": -14}]}, "answer_at_other_offset", "stands at 10"),
            ({"answers": [{"text": "308", "answer_start": "10"}]}, "wrong_type", "answers[0].answer_start"),
            ({"answers": [{"text": "308", "answer_start": True}]}, "wrong_type", "answers[0].answer_start"),
            ({"answers": [{"text": "", "answer_start": 0}]}, "empty_answer", "answers[0].text"),
            ({"answers": ["308"]}, "wrong_type", "answers[0] is a string"),
            ({"answers": "308"}, "wrong_type", "answers is a string"),
            ({"answers": {"text": ["308"], "answer_start": []}}, "length_mismatch", "answers.answer_start"),
            ({"answers": {"text": "308", "answer_start": [10]}}, "wrong_type", "answers.text"),
            ({"question": " "}, "empty", "question is empty"),
            ({"context": None}, "missing_field", "context is missing"),
        ],
    )
    def test_what_does_not_fit_is_named(self, change: dict[str, Any], reason: str, said: str) -> None:
        found, detail = _reason({**QUESTION, **change}, "question_answering")
        assert found == reason and said in detail

    def test_questions_about_one_context_stay_on_one_side(self) -> None:
        rows = [
            {"question": f"q{n}", "context": f"context {n // 5}", "answers": []} for n in range(50)
        ]  # fmt: skip
        samples = [convert(row, "question_answering", source="a", number=n) for n, row in enumerate(rows)]
        held_out = split_rows(samples, 0.2, seed=0)
        sides = {(sample.context, out) for sample, out in zip(samples, held_out, strict=True)}
        assert len(sides) == 10 and sum(held_out) == 10

    @pytest.mark.parametrize("language", ["en", "zh"])
    def test_xquad(self, shared_data: Path, language: str) -> None:
        """1,190 questions about 240 paragraphs: Artetxe et al. 2020 (arXiv:1910.11856)."""
        opened = open_source(Source(path=f"xquad_{language}.json"), shared_data / "qa")
        samples = [row for row in opened.rows if isinstance(row, Sample)]
        assert opened.schema == "question_answering"
        assert [sample.row for sample in samples] == list(range(1, 1191))
        assert len({sample.context for sample in samples}) == 240


class TestWeightTaskAttributes:
    @pytest.mark.parametrize(
        ("weight", "read"), [(2, 2.0), ("0.5", 0.5), (None, 1.0), ("", 1.0), (1e-3, 1e-3)]
    )
    def test_weight(self, weight: Any, read: float) -> None:
        assert _convert({"text": "a", "weight": weight}, "text").weight == read

    @pytest.mark.parametrize("weight", [0, -1, "heavy", True, [1], "nan", "inf", float("nan"), {}])
    def test_weight_that_is_none(self, weight: Any) -> None:
        reason, detail = _reason({"text": "a", "weight": weight}, "text")
        assert reason == "bad_weight" and "weight is" in detail

    def test_weight_reaches_every_example(self) -> None:
        tokenizer = make_chat_tokenizer()
        blocks = TextEncoder(tokenizer, max_length=8)(_convert({"text": "a b c " * 9, "weight": 0.5}, "text"))
        assert isinstance(blocks, list) and len(blocks) > 1 and {block.weight for block in blocks} == {0.5}
        template = ChatTemplate(tokenizer)
        encode = ChatEncoder(template, loss_on="assistant", max_length=64, too_long="drop")
        chat = _convert({"prompt": "a", "completion": "b", "weight": 3}, "prompt_completion")
        examples = encode(chat)
        assert isinstance(examples, list) and examples[0].weight == 3.0

    def test_task(self) -> None:
        assert _convert({"text": "a", "task": "nli"}, "text").task == "nli"
        assert _convert({"text": "a"}, "text").task is None
        assert _reason({"text": "a", "task": []}, "text")[0] == "wrong_type"

    def test_attributes_are_columns_of_the_file(self, tmp_path: Path) -> None:
        rows = [{"text": "a", "age": 31, "site": "x"}, {"text": "b", "age": None}, {"text": "c", "age": [1]}]
        first, second, third = _read(tmp_path, rows, attributes=["age", "site"])
        assert isinstance(first, Sample) and first.attributes == {"age": "31", "site": "x"}
        assert isinstance(second, Sample) and second.attributes == {}
        assert isinstance(third, Rejection) and third.detail.startswith("age is a list")

    def test_absent_attribute_lists_the_columns(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="attributes: the file has no column 'topic'") as caught:
            _read(tmp_path, [{"text": "a", "age": 31}], attributes=["topic"])
        assert caught.value.cure == "its columns are text, age"

    def test_own_column_for_the_weight(self, tmp_path: Path) -> None:
        (sample,) = _read(tmp_path, [{"text": "a", "importance": 3}], columns={"weight": "importance"})
        assert isinstance(sample, Sample) and sample.weight == 3.0


@pytest.mark.parametrize(
    ("row", "schema"),
    [
        ({"text": "a", "label": 0, "topic": "x"}, "classification"),
        ({"tokens": [], "tags": []}, "token_classification"),
        ({"id": "1", **QUESTION}, "question_answering"),
        ({"text": "a", "category": "x"}, "text"),
    ],
)
def test_schema_follows_from_the_fields(row: Any, schema: str) -> None:
    assert detect_schema([(1, row)], "a.jsonl") == schema


def test_rows_that_differ_in_their_target_are_no_duplicates() -> None:
    made = [
        _convert({"text": "a", "label": "x"}, "classification"),
        _convert({"text": "a", "label": "y"}, "classification"),
        _convert({"text": "a", "label": ["x", "y"]}, "classification"),
        _convert({"text": "a", "text_pair": "b", "label": "x"}, "classification"),
        _convert({"text": "a"}, "text"),
        _convert({"tokens": ["a"], "tags": ["O"]}, "token_classification"),
        _convert({"tokens": ["a"], "tags": ["B-x"]}, "token_classification"),
        _convert(QUESTION, "question_answering"),
        _convert({**QUESTION, "answers": []}, "question_answering"),
    ]
    assert len({content_hash(sample) for sample in made}) == len(made)


def test_identity_of_conversations_and_texts_stays() -> None:
    """Runs that exist are found again: the draw of the held-out rows follows from these hashes."""
    text = Sample("a", 1, text="你好")
    chat = Sample("a", 1, messages=(Message("user", "a"), Message("assistant", "b")))
    assert content_hash(text).hex() == "5c9d07fffae40789a4bb2d06dc0b5a78"
    assert content_hash(chat).hex() == "ec2a848883868db17a2825c57b7d7c41"


_NAMES = st.sampled_from(
    ["text", "text_pair", "label", "tokens", "tags", "question", "context", "answers", "answer_start", "weight",
     "task", "paragraphs", "qas", "data"]
)  # fmt: skip
_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda values: st.one_of(st.lists(values, max_size=4), st.dictionaries(_NAMES, values, max_size=6)),
    max_leaves=12,
)


@given(_JSON, st.sampled_from(["classification", "token_classification", "question_answering", "text"]))
def test_any_row_is_a_sample_or_has_its_reason(row: Any, schema: str) -> None:
    try:
        sample = _convert(row, schema)
    except RowError as error:
        assert error.reason and error.detail
        return
    assert sample.kind == schema and content_hash(sample) and sample.weight > 0
    stored = json.loads(json.dumps(asdict(sample)))
    assert sample_of(stored) == sample


@given(st.lists(_JSON, max_size=4))
def test_any_articles_lose_no_question(articles: list[Any]) -> None:
    def questions(article: Any) -> int:
        if not isinstance(article, dict) or not isinstance(article.get("paragraphs"), list):
            return 1
        return sum(
            len(p["qas"]) if isinstance(p, dict) and isinstance(p.get("qas"), list) else 1
            for p in article["paragraphs"]
        )

    assert len(list(questions_of(articles))) == sum(map(questions, articles))
