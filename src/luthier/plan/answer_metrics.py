"""Metrics that compare generated answers: the names that recipes ask for, and those that gates judge."""

from __future__ import annotations

GENERATED = {
    "exact_match": "exact_match",
    "rouge": "rouge_l",
    "rouge_1": "rouge_1",
    "rouge_2": "rouge_2",
    "bleu": "bleu",
    "chrf": "chrf",
    "cer": "cer",
    "wer": "wer",
    "bert_score": "bert_score",
    "distinct_2": "distinct_2",
    "length_ratio": "length_ratio",
}
