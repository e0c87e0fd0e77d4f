"""Rows of every schema: what the model is to answer stays as it is, and labels, tags and spans stay aligned."""

import copy
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luthier.core.errors import DataError
from luthier.data.augment.affix import Affix
from luthier.data.augment.alter import SourceRow, alter, asked_texts
from luthier.data.augment.deletion import Deletion
from luthier.data.augment.insertion import Insertion
from luthier.data.augment.masking import Masking
from luthier.data.augment.ocr_noise import OcrNoise
from luthier.data.augment.sentence_order import SentenceOrder
from luthier.data.augment.swap import Swap
from luthier.data.augment.synonym_lists import SynonymList
from luthier.data.augment.thesaurus import Thesaurus
from luthier.data.operators.batch import SAMPLE_FIELDS, text_paths
from luthier.data.operators.files import TEXT_FIELDS

EVERY_WORD = Masking(0.99, "X")
_LIST = SynonymList([["the", "card"], ["card", "ticket"], ["alpha", "omega"]])
WORD_OPERATIONS = [
    EVERY_WORD,
    Deletion(0.6),
    Swap(0.6),
    OcrNoise(0.9),
    Insertion(Thesaurus(lambda: _LIST.synonyms, lambda: _LIST.synonyms), 0.9),
]


def source(row, fields):
    return SourceRow("in.jsonl", 1, row, tuple(path for path, _ in text_paths(row, fields)))


def altered(row, fields, operation=EVERY_WORD, seed=0):
    before = copy.deepcopy(row)
    (new,) = alter([source(row, fields)], operation, [Random(seed)])
    assert row == before
    return new and new.row


ROWS = {
    "alpaca": (
        {
            "instruction": "say it",
            "input": "now",
            "output": "it",
            "system": "be good",
            "history": [["a b", "c d"]],
        },
        {
            "instruction": "X X",
            "input": "X",
            "output": "it",
            "system": "be good",
            "history": [["X X", "c d"]],
        },
    ),
    "sharegpt": (
        {
            "conversations": [
                {"from": "human", "value": "one two"},
                {"from": "function_call", "value": '{"name": "f", "arguments": {}}'},
                {"from": "observation", "value": "three"},
                {"from": "gpt", "value": "four"},
            ],
            "system": "five",
        },
        {
            "conversations": [
                {"from": "human", "value": "X X"},
                {"from": "function_call", "value": '{"name": "f", "arguments": {}}'},
                {"from": "observation", "value": "three"},
                {"from": "gpt", "value": "four"},
            ],
            "system": "five",
        },
    ),
    "messages": (
        {
            "messages": [
                {"role": "system", "content": "a"},
                {"role": "user", "content": [{"type": "text", "text": "b c"}]},
                {"role": "assistant", "content": "d"},
                {"role": "tool", "content": "e"},
                {"role": "user", "content": "f"},
                {"role": "assistant", "content": [{"type": "text", "text": "g"}]},
            ]
        },
        {
            "messages": [
                {"role": "system", "content": "a"},
                {"role": "user", "content": [{"type": "text", "text": "X X"}]},
                {"role": "assistant", "content": "d"},
                {"role": "tool", "content": "e"},
                {"role": "user", "content": "X"},
                {"role": "assistant", "content": [{"type": "text", "text": "g"}]},
            ]
        },
    ),
    "prompt_completion": ({"prompt": "a b", "completion": "c"}, {"prompt": "X X", "completion": "c"}),
    "classification": (
        {"text": "card lost", "text_pair": "it is", "label": "lost"},
        {"text": "X X", "text_pair": "X X", "label": "lost"},
    ),
    "text": ({"text": "我的卡 lost"}, {"text": "XXX X"}),
}


@pytest.mark.parametrize("schema", ROWS)
def test_only_what_is_asked_is_altered(schema):
    row, expected = ROWS[schema]
    assert altered(row, TEXT_FIELDS[schema]) == expected


def test_preferences_and_samples_keep_their_answers():
    row = {"prompt": "a b", "chosen": "c", "rejected": {"content": "d"}}
    assert altered(row, ["**"]) == row | {"prompt": "X X"}
    sample = {
        "text": None,
        "messages": [
            {"role": "user", "content": "a", "tool_calls": []},
            {"role": "assistant", "content": "", "tool_calls": [{"name": "f", "arguments": {"x": "b c"}}]},
        ],
    }
    new = altered(sample, SAMPLE_FIELDS)
    assert new["messages"][0]["content"] == "X"
    assert new["messages"][1] == sample["messages"][1]


def test_a_row_with_nothing_to_alter_makes_none():
    assert altered({"messages": [{"role": "assistant", "content": "a"}]}, TEXT_FIELDS["messages"]) is None
    assert altered({"text": "2021"}, ["text"]) is None


def test_an_affix_stands_once_in_a_row():
    row = {
        "messages": [{"role": r, "content": c} for r, c in [("user", "a"), ("assistant", "b"), ("user", "c")]]
    }
    new = altered(row, TEXT_FIELDS["messages"], Affix("prefix", ["Hi,"]))
    assert [m["content"] for m in new["messages"]] == ["Hi, a", "b", "c"]
    new = altered(
        {"question": "a?", "context": "b", "answers": []}, ["question", "context"], Affix("prefix", ["Hi,"])
    )
    assert new["question"] == "Hi, a?"


WORDS = st.sampled_from(["the", "card", "Alice", "Bank", "银行", "丢了", "alpha", "3", ".", "not"])
TAGS = st.sampled_from(["O", "O", "B-PER", "I-PER", "B-ORG"])


@given(st.lists(st.tuples(WORDS, TAGS), min_size=1, max_size=20), st.integers(0, 99), st.data())
def test_entities_keep_their_tokens_order_and_tags(pairs, seed, data):
    operation = data.draw(st.sampled_from(WORD_OPERATIONS))
    row = {
        "tokens": [word for word, _ in pairs],
        "column_2": [f"pos-{tag}" for _, tag in pairs],
        "tags": [tag for _, tag in pairs],
    }
    new = altered(row, ["tokens.*"], operation, seed) or row
    assert len(new["tokens"]) == len(new["tags"]) == len(new["column_2"])
    assert entities(new) == entities(row)
    assert all(extra == f"pos-{tag}" for extra, tag in zip(new["column_2"], new["tags"], strict=True))


def entities(row):
    """Return runs of tagged tokens: they neither change, nor touch where they were apart."""
    runs, run = [], []
    for token, tag in [*zip(row["tokens"], row["tags"], strict=True), (None, "O")]:
        if tag == "O":
            runs += [run] if run else []
            run = []
        else:
            run.append((token, tag))
    return runs


def test_numbered_tags_are_known():
    row = {"tokens": ["the", "card", "of", "Alice"], "ner_tags": [0, 0, 0, 1]}
    assert altered(row, ["tokens.*"], EVERY_WORD) == {
        "tokens": ["X", "X", "X", "Alice"],
        "ner_tags": [0, 0, 0, 1],
    }


@pytest.mark.parametrize("operation", [SentenceOrder(), Affix("prefix")], ids=lambda o: o.kind)
def test_operations_on_whole_texts_refuse_tags(operation):
    with pytest.raises(DataError, match=rf"(?s)in.jsonl, row 1: {operation.kind} .*typing"):
        altered({"tokens": ["a"], "tags": ["O"]}, ["tokens.*"], operation)


CONTEXT = "Mario Addison added 6½ sacks, and 银行卡丢了 in the Super Bowl. 他没有 card at all"


@given(
    st.lists(st.tuples(st.integers(0, len(CONTEXT)), st.integers(1, 12)), max_size=4),
    st.sampled_from(["list", "lists", "sample"]),
    st.integers(0, 99),
    st.data(),
)
def test_answers_stay_in_their_context(places, form, seed, data):
    operation = data.draw(st.sampled_from(WORD_OPERATIONS))
    spans = [(start, CONTEXT[start : start + length]) for start, length in places]
    key = "start" if form == "sample" else "answer_start"
    answers = [{"text": text, key: start} for start, text in spans]
    if form == "lists":
        answers = {"text": [text for _, text in spans], "answer_start": [start for start, _ in spans]}
    row = {"question": "Who lost the card?", "context": CONTEXT, "answers": answers}
    new = altered(row, TEXT_FIELDS["question_answering"], operation, seed)
    assert new is not None
    pairs = (
        zip(new["answers"]["text"], new["answers"]["answer_start"], strict=True)
        if form == "lists"
        else [(answer["text"], answer[key]) for answer in new["answers"]]
    )
    for (text, start), (_, before) in zip(pairs, spans, strict=True):
        assert text == before
        assert new["context"][start : start + len(text)] == text


def test_a_context_changes_around_its_answer():
    row = {
        "question": "Who?",
        "context": "Yesterday Alice Wong lost her card",
        "answers": [{"text": "Alice Wong", "answer_start": 10}],
    }
    new = altered(row, TEXT_FIELDS["question_answering"], Masking(0.99, "X"))
    assert new["context"] == "X Alice Wong X X X"
    assert new["answers"] == [{"text": "Alice Wong", "answer_start": 2}]


def test_a_context_whose_answer_is_misplaced_stays():
    row = {"question": "Who?", "context": "Alice lost it", "answers": [{"text": "Bob", "answer_start": 0}]}
    new = altered(row, TEXT_FIELDS["question_answering"])
    assert (new["question"], new["context"]) == ("X?", "Alice lost it")


def test_what_counts_as_the_same_row():
    assert asked_texts(source(ROWS["alpaca"][0], TEXT_FIELDS["alpaca"])) == ["say it", "now", "a b"]
    assert asked_texts(source({"tokens": ["a", "b"], "tags": ["O", "O"]}, ["tokens.*"])) == ["a", "b"]
