"""BLEU has sacrebleu's published values, by its rows' sums too, and reads Chinese."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sacrebleu.metrics import BLEU

from luthier.evaluate.bleu import bleu_figures, bleu_of_sums, corpus_bleu, tokenizer_for
from tests.conftest import SHARED_VECTORS

SENTENCES = st.lists(st.text(alphabet="ab cd.,", max_size=30), min_size=1, max_size=6)


def test_chinese_by_its_own_tokenizer() -> None:
    # sacrebleu 2.6.0, `tok:zh` and the default, shared/vectors/10_bleu_chrf_ter.json.
    answers, references = ["我们的模型在测试集上表现很好。"], ["我们的模型在测试集上表现良好。"]
    assert corpus_bleu(answers, references).value == pytest.approx(82.42367502646057, abs=1e-9)
    assert corpus_bleu(answers, references, "13a").value == pytest.approx(0.0)
    assert "tok:zh" in corpus_bleu(answers, references).signature


@pytest.mark.parametrize(
    ("texts", "tokenizer"),
    [
        (["The cat."], "13a"),
        (["模型很好。"], "zh"),
        (["用 Python 写的模型在测试集上"], "zh"),
        (["I like 好 code"], "13a"),
        (["3.5"], "13a"),
    ],
)
def test_tokenizer_follows_the_script(texts: list[str], tokenizer: str) -> None:
    assert tokenizer_for(texts) == tokenizer


@given(SENTENCES, st.randoms())
def test_sums_of_rows_give_the_corpus(references: list[str], random: object) -> None:
    answers = [text[: len(text) // 2] + text[: len(text) // 3] for text in references]
    ours = float(bleu_of_sums(bleu_figures(answers, references, "13a").sum(axis=0)))
    assert ours == pytest.approx(BLEU().corpus_score(answers, [references]).score, abs=1e-9)


def test_sums_of_many_resamples_at_once() -> None:
    figures = bleu_figures(["the cat sat on a mat", "a dog"], ["the cat sat on the mat", "a dog ran"])
    both = bleu_of_sums(np.stack([figures.sum(axis=0), figures[0], figures[1]]))
    assert both.shape == (3,) and both[0] == pytest.approx(float(bleu_of_sums(figures.sum(axis=0))))


def test_published_formula() -> None:
    if not (SHARED_VECTORS / "10_bleu_chrf_ter.json").is_file():
        pytest.skip(f"no vectors at {SHARED_VECTORS}")
    records = json.loads((SHARED_VECTORS / "10_bleu_chrf_ter.json").read_text())["records"]
    (record,) = [r for r in records if r["function"] == "compute_bleu_from_stats"]
    given = record["input"]
    sums = np.array([*given["common"], *given["total"], given["sys_len"], given["ref_len"]], dtype=float)
    assert float(bleu_of_sums(sums)) == pytest.approx(record["expected"], abs=record["tolerance"])


def test_nothing_to_compare_is_refused() -> None:
    with pytest.raises(ValueError, match="2 answers cannot be compared with 1"):
        corpus_bleu(["a", "b"], ["a"])
