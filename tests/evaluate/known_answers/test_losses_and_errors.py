"""Windows of long texts, error rates, correlation and paired tests against the published values of other libraries."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from luthier.evaluate.answers import exact_match
from luthier.evaluate.error_rate import character_error_rate, word_error_rate
from luthier.evaluate.loss import RowLosses
from luthier.evaluate.statistics import Resampling, paired_p_value
from luthier.objectives.classification.figures import class_figures, matthews_of_classes
from tests.evaluate.known_answers.ledger import records

WINDOWS, PYTHIA, OTHERS = (
    "21_perplexity_windows.json",
    "22_loglikelihood_pythia70m.json",
    "36_misc_metrics_federated.json",
)

NO_MODEL = "pythia-70m is not here"
NOT_OURS = {
    WINDOWS: {
        "rolling_token_windows#1": "ours asks for windows with a context of one token, as the harness's own models do",
        "rolling_token_windows#2": "ours asks for windows with a context of one token, as the harness's own models do",
    },
    PYTHIA: {
        "loglikelihood_arc_easy_first10docs_x4": NO_MODEL,
        "greedy_generation_gsm8k_first10": NO_MODEL,
        "loglikelihood_rolling_wikitext_first10": NO_MODEL,
        "tokenise": NO_MODEL,
    },
    OTHERS: {
        "exact_match": "leaves out all punctuation and what patterns find; ours folds the ends, case and width",
        "sari": "SARI of simplified sentences is not offered",
        "mcnemar": "the chi-square needs many rows; ours draws the signs of the differences, which few allow",
        "dp_fedavg_stdv": "training with privacy is not evaluation, and federated averaging is not offered",
    },
}


def asked_windows(tokens: list[int], prefix: int, longest: int) -> list[tuple[list[int], list[int]]]:
    """Return context and continuation of every request that our model makes of a long text."""
    pytest.importorskip("lm_eval")
    from luthier.evaluate.benchmarks.harness_model import HarnessModel

    asked: list[tuple[list[int], list[int]]] = []

    class Asks(HarnessModel):
        prefix_token_id = prefix  # type: ignore[assignment]

        def tok_encode(self, string: str, *args: Any, **kwargs: Any) -> list[int]:
            return tokens

        def _loglikelihood_tokens(self, requests: Any, **kwargs: Any) -> list[tuple[float, bool]]:
            asked.extend((context, continuation) for _, context, continuation in requests)
            return [(float(len(continuation)), False) for *_, continuation in requests]

    class Model:
        tokenizer = None
        max_positions = longest

    class Request:
        args = ("a text",)

    # Every token is measured once, whatever the windows.
    assert Asks(Model()).loglikelihood_rolling([Request()]) == [len(tokens)]  # type: ignore[arg-type]
    return asked


def windows(record: Any) -> dict[str, Any]:
    """Theirs overlap by what is read but not measured; ours are made disjoint, so it is put together again."""
    given, longest = record["input"], record["input"]["max_seq_len"]
    assert given["context_len"] == 1
    found = asked_windows(list(range(given["n_tokens"])), given["prefix_token"], longest)
    return {"": [[(context + continuation)[:-1], continuation] for context, continuation in found]}


def disjoint_window(record: Any) -> dict[str, Any]:
    """The last window of a text that is as long as one window and the record's continuation."""
    context, continuation = record["input"]
    tokens = [0] * (len(continuation) - 1) + context + continuation[-1:]
    return {"": list(map(list, asked_windows(tokens, 0, len(context))[-1]))}


def macro_and_weighted(record: Any) -> dict[str, float]:
    """A mean over rows weighs by their tokens; over rows of one token each it is the plain mean."""
    scores, sizes = (np.array(record["input"][name]) for name in ("scores", "sizes"))
    return {
        "macro": RowLosses(scores, np.ones(len(scores), dtype=np.int64)).mean,
        "weighted": RowLosses(scores * sizes, sizes).mean,
    }


def cer(record: Any) -> dict[str, float]:
    return {"": character_error_rate(record["input"]["pred"], record["input"]["ref"])}


def wer(record: Any) -> dict[str, float]:
    return {"": word_error_rate(record["input"]["pred"], record["input"]["ref"])}


def matthews(record: Any) -> dict[str, float]:
    """The correlation is a function of sums, in which rows may weigh anything."""
    true, said, weights = (np.array(record["input"][name]) for name in ("ref", "pred", "weights"))
    classes = np.arange(4)
    figures = class_figures(true[:, None] == classes, said[:, None] == classes)
    return {"": float(matthews_of_classes((weights[:, None] * figures).sum(axis=0)))}


def weighted_loss(record: Any) -> dict[str, float]:
    counts, losses = np.array(record["input"]["(n,loss)"]).T
    return {"": RowLosses(counts * losses, counts.astype(np.int64)).mean}


OURS = {
    WINDOWS: {
        "rolling_token_windows": windows,
        "make_disjoint_window": disjoint_window,
        "aggregate_mean": macro_and_weighted,
    },
    PYTHIA: {},
    OTHERS: {"cer": cer, "wer": wer, "matthews": matthews, "weighted_loss_avg": weighted_loss},
}


def test_the_paired_test_of_few_rows_is_exact_where_mcnemars_is_not() -> None:
    (record,) = (each for each in records(OTHERS) if each.function == "mcnemar")
    given = {name: np.array(values) for name, values in record.content["input"].items()}
    right = [(given[name] == given["ref"]).astype(np.float64) for name in ("p1", "p2")]
    # One row differs: either sign is as likely and as far from 0, which is the exact test of McNemar.
    assert paired_p_value(*right, Resampling(200, 0.95, seed=0)) == 1.0
    assert record.content["expected"]["p"] < 0.32


def test_what_is_an_exact_match_here() -> None:
    given = next(each for each in records(OTHERS) if each.function == "exact_match").content["input"]
    pairs = zip(given["pred"], given["ref"], strict=True)
    assert [exact_match(*pair) for pair in pairs] == [0.0, 1.0, 1.0, 0.0]
