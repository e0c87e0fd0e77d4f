"""BLEU, chrF, ROUGE, error rates and SQuAD's figures against the published values of other libraries."""

from __future__ import annotations

from functools import partial
from typing import Any
from unittest.mock import patch

import numpy as np

from luthier.data.extractive.squad_score import exact_match, f1
from luthier.data.sample import Answer, Sample
from luthier.evaluate import chrf
from luthier.evaluate.answers import rouge_l
from luthier.evaluate.bleu import bleu_of_sums, corpus_bleu
from luthier.evaluate.chrf import chrf_figures, chrf_of_sums
from luthier.evaluate.rouge_n import rouge_n
from luthier.evaluate.statistics import Resampling, sums_intervals
from luthier.objectives.question_answering.evaluator import Answered
from tests.objectives.question_answering.test_evaluator import made

BLEU, ROUGE, SQUAD = "10_bleu_chrf_ter.json", "11_rouge.json", "12_squad.json"
HOW = Resampling(20, 0.95, seed=0)

TWO_REFERENCES = "has two references an answer; a row of Luthier has one"
NOT_BLEU = {
    "corpus_bleu": TWO_REFERENCES,
    "corpus_bleu_max_order": TWO_REFERENCES + ", and ours has runs of one to four words",
    "bleu_signature": TWO_REFERENCES,
    "chrf2_signature": TWO_REFERENCES,
    **dict.fromkeys(
        [f"corpus_chrf#{number}" for number in (10, 11, 12, 13)],
        "smoothed: lengths that neither text has count as misses; ours leaves them out, sacrebleu's default",
    ),
    "corpus_chrf#20": "counts white space; ours leaves it out, sacrebleu's default",
    "corpus_chrf#21": "counts white space; ours leaves it out, sacrebleu's default",
    "corpus_ter": "TER is not offered; wer counts words without shifts",
}

WITH_STEMS = "compares stems of English words (Porter); ours compares words"
PERL_FILES = "rouge_vs_ROUGE-1.5.5_perl"
F_MEASURE = "ours is the F-measure"
NOT_ROUGE = {
    "rouge/precision": F_MEASURE,
    "rouge/recall": F_MEASURE,
    "rouge#4": "ROUGE-Lsum is not offered",
    f"{PERL_FILES}/precision": F_MEASURE,
    f"{PERL_FILES}/recall": F_MEASURE,
    f"{PERL_FILES}#6": WITH_STEMS,
    f"{PERL_FILES}#9": "ROUGE-Lsum is not offered",
    "rouge_bootstrap_ci95": WITH_STEMS,
}
# github.com/google-research/google-research (Apache-2.0), rouge/testdata: the first lines of target and prediction.
TARGET = (
    "ZfbCUIUuePaiLVUlCaUXxkpu XPeWing tUHfPMuZ',-Xd Y BrUgVJing M-HV.-DgdDaY.rFDJCRing Ht-LM EKBDXkME,yz'RBr q'wtion "
    "wIojNbN wL,b .a-'XdQggyFl jB-RPP'iyOIcUxer tKM L"
)
PREDICTION = "rFDJCRtion Ht-LM EKtDXkME,yz'RBr q'wer wrojNbN wL,b .a-'XdQggyFl jB-RPP'iyOIcUxi"

NO_THRESHOLDS = "no row is measured with a threshold that it helped to choose, so there is no best of all"
NOT_SQUAD = {
    f"squad_v2/{name}": NO_THRESHOLDS
    for name in ("best_exact", "best_exact_thresh", "best_f1", "best_f1_thresh")
}


def published_formula(record: Any) -> dict[str, float]:
    given = record["input"]
    sums = np.array([*given["common"], *given["total"], given["sys_len"], given["ref_len"]], dtype=float)
    return {"": float(bleu_of_sums(sums))}


def chrf_of_beta_3(record: Any) -> dict[str, float]:
    """Ours has beta 2, as sacrebleu's default; the formula is the same."""
    given = record["input"]
    assert given["beta"] == 3 and given.get("char_order", 6) == 6 and not given.get("word_order")
    with patch.object(chrf, "_BETA", 3.0):
        return {"": float(chrf_of_sums(chrf_figures(given["hyp"], given["ref"]).sum(axis=0)))}


def chinese(record: Any) -> dict[str, float]:
    hyp, (refs,) = record["input"]["hyp"], record["input"]["refs"]
    return {
        "tok:zh": corpus_bleu(hyp, refs).value,  # chosen by the script of the references
        "tok:13a (default)": corpus_bleu(hyp, refs, "13a").value,
    }


SCORES = {
    "rouge1": partial(rouge_n, n=1),
    "rouge2": partial(rouge_n, n=2),
    "rougeL": rouge_l,
}


def rouge(record: Any) -> dict[str, float]:
    given = record["input"]
    return {"fmeasure": SCORES[given["type"]](given["prediction"], given["target"])}


def rouge_of_files(record: Any) -> dict[str, float]:
    given = record["input"]
    assert given["files"].endswith("line0")
    return {"fmeasure": SCORES[given["type"]](PREDICTION, TARGET)}


def squad(record: Any) -> dict[str, Any]:
    pred, gold = record["input"]["pred"], record["input"]["gold"]
    pairs = [(pred[key], gold[key]) for key in pred]
    return {"exact_match": 100 * np.mean([exact_match(*pair) for pair in pairs]),
            "f1": 100 * np.mean([f1(*pair) for pair in pairs])}  # fmt: skip


def squad_batch(record: Any) -> dict[str, Any]:
    pairs = list(zip(record["input"]["pred"], record["input"]["gold"], strict=True))
    return {"exact_match": [100 * exact_match(*pair) for pair in pairs],
            "f1": [100 * f1(*pair) for pair in pairs]}  # fmt: skip


def squad_2(record: Any) -> dict[str, Any]:
    """What the report tells of questions that have an answer."""
    pred, gold = record["input"]["pred"], record["input"]["gold"]
    rows = [
        Sample("q", n, question="when?", context="1976",
               answers=tuple(Answer(text, 0) for text in gold[key]))
        for n, key in enumerate(pred)
    ]  # fmt: skip
    said = Answered(list(pred.values()), np.ones((len(rows), 2)), threshold=0.0)
    evaluator = made()[1].evaluator
    measures = {
        each.name: 100 * float(each.statistic(each.figures_NK.sum(axis=0)))
        for each in evaluator.measures(said, [], rows)
    }
    intervals = partial(sums_intervals, how=HOW)
    told = evaluator.details(said, [], rows, lambda figures, statistic: intervals(figures, statistic))[1]
    answerable = told["questions"]["with an answer"]
    return {
        "exact": measures["exact_match"],
        "f1": measures["f1"],
        "total": len(rows),
        "HasAns_exact": 100 * answerable["exact_match"][0],
        "HasAns_f1": 100 * answerable["f1"][0],
        "HasAns_total": answerable["rows"],
    }


OURS = {
    BLEU: {
        "compute_bleu_from_stats": published_formula,
        "corpus_chrf": chrf_of_beta_3,
        "chinese_tokeniser_trap": chinese,
    },
    ROUGE: {"rouge": rouge, PERL_FILES: rouge_of_files},
    SQUAD: {"squad_v1": squad, "squad_v1_batch": squad_batch, "squad_v2": squad_2},
}
NOT_OURS = {BLEU: NOT_BLEU, ROUGE: NOT_ROUGE, SQUAD: NOT_SQUAD}
