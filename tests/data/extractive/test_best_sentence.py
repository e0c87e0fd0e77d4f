"""The baseline's sentence: the one that shares most words with the question."""

from __future__ import annotations

from luthier.data.extractive.best_sentence import best_sentence, sentences_of


def test_sentences_end_at_full_stops_but_not_inside_numbers() -> None:
    assert sentences_of("It cost 3.5 million. Who paid? Nobody!") == [
        "It cost 3.5 million.",
        "Who paid?",
        "Nobody!",
    ]
    assert sentences_of("天气很好。我们去公园。") == ["天气很好。", "我们去公园。"]
    assert sentences_of("no full stop") == ["no full stop"]


def test_rare_shared_words_count_more() -> None:
    context = "The team won the game. The team left the city. The team bought Denver."
    assert best_sentence("What did the team do in Denver?", context) == "The team bought Denver."
    assert best_sentence("天气怎么样", "我们去公园。天气很好。") == "天气很好。"
    assert best_sentence("???", context) == "The team won the game."
