"""Quality rules, repetition and language: who is left out, and who must not be."""

import json

import pytest

from luthier.data.clean.language import LanguageFilter, language_of
from luthier.data.clean.quality import QualityFilter, symbol_share
from luthier.data.clean.repetition import (
    duplicate_ngram_share,
    duplicate_shares,
    repetition_fault,
    top_ngram_share,
)
from luthier.data.clean.units import units_of
from luthier.data.clean.web_rules import c4_fault, gopher_fault
from luthier.data.operators.batch import batches_of_rows


def _reasons(operator, *texts):
    rows = enumerate(({"text": text} for text in texts), start=1)
    (batch,) = batches_of_rows(rows, ["text"], source="f.jsonl")
    return operator(batch)["reason"].to_pylist()


def test_lengths_count_chinese_by_character():
    assert units_of("我爱BERT模型, isn't it") == ["我", "爱", "BERT", "模", "型", "isn't", "it"]
    texts = ["我爱北京", "I love it", "a b c d e", "  abc  "]
    assert _reasons(QualityFilter(min_words=4), *texts) == [None, "too_short", None, "too_short"]
    assert _reasons(QualityFilter(max_words=4), *texts) == [None, None, "too_long", None]
    assert _reasons(QualityFilter(min_characters=4), *texts) == [None, None, None, "too_short"]
    assert _reasons(QualityFilter(max_characters=8), *texts) == [None, "too_long", "too_long", None]


def test_symbols():
    assert symbol_share("ab!? 你好。") == pytest.approx(3 / 7)
    assert symbol_share("हिन्दी") == 0.0  # vowel signs are no symbols
    assert _reasons(QualityFilter(max_symbol_share=0.4), "ab!? 你好。", "abc!") == ["symbols", None]


def test_texts_of_a_row_are_judged_together():
    rows = [(1, {"a": "one two", "b": "three"})]
    (batch,) = batches_of_rows(rows, ["a", "b"], source="f.jsonl")
    assert QualityFilter(min_words=3)(batch)["reason"].to_pylist() == [None]


def test_shares_by_hand():
    # a a b of lengths 1, 1, 1: one of three repeats; the words "to be" stand twice in 4 + 3 + 4 = 11 letters.
    assert duplicate_shares(["a", "a", "b"]) == (1 / 3, 1 / 3)
    assert top_ngram_share(["to", "be", "not", "to", "be"], 2) == 8 / 11
    assert top_ngram_share(["to", "be", "not"], 2) == 0.0
    assert duplicate_ngram_share(["to", "be", "not", "to", "be"], 2) == 4 / 11
    assert duplicate_ngram_share(["x"] * 4, 2) == 3 / 4  # overlapping runs count once


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("same line here\n" * 10, "lines"),
        ("buy now cheap watches " * 30, "one run of 2 words"),
        ("便宜手表快来买" * 30, "one run of 4 characters"),
    ],
)
def test_repetition_is_found(text, word):
    assert word in repetition_fault(text)


def test_running_text_passes(shared_data):
    texts = [p["context"] for language in ("en", "zh") for p in _paragraphs(shared_data, language)]
    assert len(texts) == 480
    assert sum(repetition_fault(text) is not None for text in texts) <= 5
    assert sum(gopher_fault(text) is not None for text in texts) <= 25


def _paragraphs(shared_data, language):
    data = json.loads((shared_data / f"qa/xquad_{language}.json").read_text(encoding="utf-8"))["data"]
    return [paragraph for entry in data for paragraph in entry["paragraphs"]]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("short text", "2 words"),
        ("# one two the to and three " * 12, "number signs"),
        ("- one the to and item of a list\n" * 12, "bullet"),
        ("one two the to and so on ...\n" * 12, "ellipses"),
        ("one line that goes on and so forth without end and then some more…\n" * 6, "lines end with"),
        ("the 1 2 3 4 of to 5 6 7 8 9 10 " * 6, "have a letter"),
        ("a b c d e f the to " * 8, "letters"),
        ("producers often demand rather complex devices " * 12, "fewer than 2"),
    ],
)
def test_gopher_rules(text, word):
    assert word in gopher_fault(text)


def test_c4_rules():
    good = "This is one. This is two! Is this three? Four is here. Five, too."
    assert c4_fault(good) is None
    assert c4_fault("这是一。这是二！这是三？这是四。这是五。") is None
    assert "4 sentences" in c4_fault(good[:-11])
    assert "curly" in c4_fault(good + " {x}")
    assert "filler" in c4_fault(good + " Lorem ipsum dolor.")
    assert _reasons(QualityFilter(rules=("c4",)), good, "One.") == [None, "c4"]
    assert _reasons(QualityFilter(rules=("gopher_repetition", "gopher_quality")), "a\n" * 9, "One.") == [
        "repetition",
        "gopher_quality",
    ]


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("你好", "zh"),
        ("東京", "zh"),
        ("我用Python写代码", "zh"),
        ("東京で勉強しています", "ja"),
        ("ありがとう", "ja"),
        ("김치찌개는 맛있다", "ko"),
        ("This is a sentence in plain English.", "en"),
        ("Dies ist ein ganz gewöhnlicher deutscher Satz.", "de"),
        ("Это обычное предложение на русском языке.", "ru"),
        ("The word 你好 means hello in Chinese, as every learner knows.", "en"),
        ("12345 !?", "und"),
    ],
)
def test_languages(text, language):
    assert language_of(text)[0] == language


def test_language_filter_keeps_what_has_no_letters():
    texts = ["你好", "This is a sentence in plain English.", "42", "Dies ist ein deutscher Satz, nicht wahr?"]
    assert _reasons(LanguageFilter(("zh", "en")), *texts) == [None, None, None, "language"]
    assert _reasons(LanguageFilter(("zh", "en"), 1.01), *texts) == ["language", "language", None, "language"]


def test_chinese_and_english_are_told_apart_on_real_text(shared_data):
    for language in ("en", "zh"):
        questions = [qa["question"] for p in _paragraphs(shared_data, language) for qa in p["qas"]]
        found = [language_of(question)[0] for question in questions]
        assert found.count(language) >= 0.99 * len(questions)
