"""BERTScore is 1 for equal texts and less for others, in batches of any size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import luthier.evaluate.bert_score as bert_score
from luthier.evaluate.bert_score import bert_score_figures, bert_scores
from luthier.models.embed import Embedder
from tests.models.tiny_encoder import save_tiny_encoder


@pytest.mark.slow
def test_equals_bert_score_with_minilm() -> None:
    # bert-score 0.3.13, greedy_cos_idf over the last layer of all-MiniLM-L6-v2; idf 1, and 0 for the two end tokens.
    known = [
        ("The cat sat on the mat.", "A cat was sitting on a mat.", (0.90312, 0.87898, 0.89088)),
        ("A quick brown fox jumps.", "The lazy dog sleeps.", (0.19144, 0.21346, 0.20185)),
        ("card not working", "my card does not work", (0.94955, 0.87383, 0.91012)),
        ("", "something", (0.0, 0.0, 0.0)),
        ("Paris", "The capital of France is Paris.", (0.91122, 0.58028, 0.70904)),
    ]
    answers, references, expected = zip(*known, strict=True)
    for got, values in zip(bert_scores(Embedder("minilm"), answers, references), expected, strict=True):
        assert tuple(got) == pytest.approx(values, abs=1e-4)


def test_equal_texts_score_one_and_others_less(tmp_path: Path) -> None:
    embedder = Embedder(str(save_tiny_encoder(tmp_path)))
    same, other, empty = bert_scores(embedder, ["good day", "good day", ""], ["good day", "bad", "bad"])
    assert same.f1 == pytest.approx(1.0, abs=1e-5)
    assert other.f1 < 0.999
    assert tuple(empty) == (0.0, 0.0, 0.0)
    with pytest.raises(ValueError, match="1 answers cannot be compared with 2"):
        bert_scores(embedder, ["a"], ["a", "b"])


def test_batches_change_nothing(tmp_path: Path) -> None:
    folder = str(save_tiny_encoder(tmp_path))
    texts = ["good day", "a", "the weather is nice", "bad"]
    alone, together = Embedder(folder, tokens_per_batch=1), Embedder(folder, tokens_per_batch=999)
    for one, other in zip(
        bert_scores(alone, texts, texts[::-1]), bert_scores(together, texts, texts[::-1]), strict=True
    ):
        assert tuple(one) == pytest.approx(tuple(other), abs=1e-5)


def test_an_encoder_is_loaded_once_until_its_weights_are_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[str] = []

    def load(folder: str) -> Embedder:
        loaded.append(folder)
        return Embedder(folder)

    monkeypatch.setattr(bert_score, "Embedder", load)
    folder = str(save_tiny_encoder(tmp_path))
    first, _, again = (
        bert_score_figures([answer], ["good day"], folder) for answer in ("good", "x" * 99, "good")
    )
    assert len(loaded) == 1
    np.testing.assert_array_equal(first, again)
    save_tiny_encoder(tmp_path, seed=1)
    assert not np.array_equal(bert_score_figures(["good"], ["good day"], folder), first)
    assert len(loaded) == 2
