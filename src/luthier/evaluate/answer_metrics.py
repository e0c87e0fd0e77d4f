"""Metrics of generated answers that are functions of sums over rows: ROUGE-N, BLEU, chrF, error rates, and others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from luthier.evaluate.bert_score import bert_score_figures
from luthier.evaluate.bleu import bleu_figures, bleu_of_sums, corpus_bleu, tokenizer_for
from luthier.evaluate.chrf import chrf_figures, chrf_of_sums, corpus_chrf
from luthier.evaluate.distinct import distinct_figures
from luthier.evaluate.error_rate import cer_figures, wer_figures
from luthier.evaluate.length import length_figures
from luthier.evaluate.rouge_n import rouge_n_figures
from luthier.evaluate.statistics import Values


@dataclass(frozen=True)
class AnswerMetric:
    """A metric of answers against references.

    Args:
        title: For people.
        lower_is_better: Direction.
        figures: From answers, references and the name of an encoder to figures of each row, shape [N, K].
        statistic: From their sums, shape [..., K], to the metric, shape [...].
        signature: From answers and references to sacrebleu's, which is quoted beside the value; None for others.
    """

    title: str
    lower_is_better: bool
    figures: Callable[[Sequence[str], Sequence[str], str], Values]
    statistic: Callable[[Values], Values]
    signature: Callable[[Sequence[str], Sequence[str]], str] | None = None


def ratio_of_sums(sums: Values) -> Values:
    """Return the first figure by the second, 0 where there is none of the second."""
    return np.asarray(
        np.divide(sums[..., 0], sums[..., 1], out=np.zeros(sums.shape[:-1]), where=sums[..., 1] > 0)
    )


def _bleu_figures(answers: Sequence[str], references: Sequence[str]) -> Values:
    # One tokenizer for both models, told from what they share.
    return bleu_figures(answers, references, tokenizer_for(references))


def _of_texts(figures: Callable[[Sequence[str], Sequence[str]], Values]) -> Callable[..., Values]:
    """Return figures that need no encoder."""
    return lambda answers, references, _: figures(answers, references)


ANSWER_METRICS: Mapping[str, AnswerMetric] = {
    "rouge_1": AnswerMetric("ROUGE-1", False, lambda a, r, _: rouge_n_figures(a, r, 1), ratio_of_sums),
    "rouge_2": AnswerMetric("ROUGE-2", False, lambda a, r, _: rouge_n_figures(a, r, 2), ratio_of_sums),
    "bleu": AnswerMetric(
        "BLEU", False, _of_texts(_bleu_figures), bleu_of_sums, lambda a, r: corpus_bleu(a, r).signature
    ),
    "chrf": AnswerMetric(
        "chrF", False, _of_texts(chrf_figures), chrf_of_sums, lambda a, r: corpus_chrf(a, r).signature
    ),
    "cer": AnswerMetric("Character error rate", True, _of_texts(cer_figures), ratio_of_sums),
    "wer": AnswerMetric("Word error rate", True, _of_texts(wer_figures), ratio_of_sums),
    "bert_score": AnswerMetric("BERTScore (F1)", False, bert_score_figures, ratio_of_sums),
    "distinct_2": AnswerMetric(
        "Distinct pairs of words in an answer",
        False,
        lambda answers, *_: distinct_figures(answers, 2),
        ratio_of_sums,
    ),
    "length_ratio": AnswerMetric(
        "Words by those of the reference", False, _of_texts(length_figures), ratio_of_sums
    ),
}
"""By the name that `evaluate.metrics` and gates use."""
