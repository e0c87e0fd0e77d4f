"""Fairness, tagging, calibration and attribution against the published values of other libraries."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch

from luthier.data.tagging.schemes import broken_tags, entities_of
from luthier.evaluate.explain.integrated_gradients import integrated_gradients
from luthier.evaluate.fairness.rates import count_outcomes, judge, rates_facts
from luthier.objectives.classification.calibration import calibration_error, calibration_figures
from luthier.objectives.classification.figures import pooled_f1
from luthier.objectives.token_classification.evaluator import entity_figures
from tests.evaluate.fairness.test_rates import HOW, NAMES, grouped, judged
from tests.evaluate.known_answers.ledger import records

FAIRLEARN, AIF360, SEQEVAL = "08_fairness_fairlearn.json", "09_fairness_aif360.json", "13_seqeval.json"
CALIBRATION, ATTRIBUTION = "26_calibration.json", "33_attribution.json"

INEQUALITY = "an index of unequal benefits of single rows; ours compares rates of groups, as Fairlearn does"
NOT_OURS = {
    FAIRLEARN: {
        "equal_opportunity_difference_undefined_group/fairlearn_0.15_returns": "calls a rate of no rows 0"
    },
    AIF360: {
        "generalized_entropy_index(alpha=2)": INEQUALITY,
        "theil_index": INEQUALITY,
        "between_all_groups_GEI": INEQUALITY,
    },
    SEQEVAL: {
        "strict_IOB2_f1": "ours reads broken tags as conlleval does; the data stage names or repairs them",
        "performance_measure": "counts words without regard to entities; ours counts entities, and words as accuracy",
        "conll2000_official_sample": "the file with the sentences is not beside the project; read by hand "
        "on 2026-11-27 ours found 371 of 459 chunks and said 539: precision, recall, F1 and accuracy are equal",
    },
    CALIBRATION: {
        "binary_calibration_error#1": "norm l2 is not offered",
        "binary_calibration_error#2": "norm max is not offered",
        "multiclass_calibration_error_note/l2": "norm l2 is not offered",
        "multiclass_calibration_error_note/max": "norm max is not offered",
    },
    ATTRIBUTION: {},
}


def outcomes_of(data: Any) -> Any:
    true, said = (np.asarray(data[name]) > 0 for name in ("y_true", "y_pred"))
    return count_outcomes(true, said, grouped(data["group"]))


def rates_by_group(record: Any) -> dict[str, float]:
    theirs = {"sel": "selection_rate", "tpr": "recall", "fpr": "false_positive_rate"}
    return {
        f"{rates['group']}.{short}": rates[name][0]
        for rates in rates_facts(outcomes_of(record["input"]), "1", 0.95)
        for short, name in theirs.items()
    }


def criterion(record: Any) -> dict[str, float]:
    """A criterion between groups; weights of whole numbers are rows that stand there as often."""
    given, data = record["input"], records(FAIRLEARN)[0].content["input"]
    assert given["data"] == "record 0"
    times = given.get("sample_weight", [1] * len(data["y_true"]))
    against = {"between_groups": "groups", "to_overall": "overall"}[given["method"]]
    columns = (np.repeat(data[name], times) for name in ("y_true", "y_pred", "group"))
    name, kind = NAMES[record["function"]]
    found = judged(*columns, against=against)[f"{name}_{kind}"]
    assert found is not None
    return {"": found.value}


def undefined(record: Any) -> dict[str, str]:
    judgements = judge(outcomes_of(record["input"]), np.ones(2, dtype=bool), "1", HOW, "groups")
    (found,) = (each for each in judgements if each.criterion.name == "equal_opportunity")
    why = re.fullmatch(r"group '(\w+)' has no rows of class '1'", found.why_undefined)
    assert found.disparity is None and why
    return {"correct": f"undefined: group {why[1]} has no positives"}


def tagged(record: Any) -> dict[str, float]:
    """Entities of all rows, and words, as the evaluator of tags has them."""
    given = record["input"]
    pairs = list(zip(given["y_true"], given["y_pred"], strict=True))
    types = sorted(
        {tag.partition("-")[2] for row in (*given["y_true"], *given["y_pred"]) for tag in row} - {""}
    )
    hits, true, said = entity_figures(pairs, types, "IOB2").sum(axis=0).reshape(3, -1).sum(axis=1)
    words = [t == s for row in pairs for t, s in zip(*row, strict=True)]
    return {
        "": float(pooled_f1(np.array([hits, true, said]))),
        "overall_f1": float(pooled_f1(np.array([hits, true, said]))),
        "overall_precision": hits / said,
        "overall_recall": hits / true,
        "overall_accuracy": float(np.mean(words)),
    }


def entities(record: Any) -> dict[str, Any]:
    """Theirs end with the last word, ours with the word after it."""
    return {"": [[kind, start, end - 1] for kind, start, end in entities_of(record["input"]["tags"])]}


def binary_calibration(record: Any) -> dict[str, float]:
    given = record["input"]
    assert given["norm"] == "l1"
    sure, right = np.array(given["probs"])[:, None], np.array(given["target"], dtype=bool)[:, None]
    figures = calibration_figures(sure, right, num_bins=given["n_bins"])
    return {"": float(calibration_error(figures.sum(axis=0)))}


def multiclass_calibration(record: Any) -> dict[str, float]:
    """The probabilities stand in torchmetrics' docstring of MulticlassCalibrationError."""
    assert record["input"]["see"].endswith("target [0,1,2,0], n_bins 3")
    probabilities = np.array([[0.25, 0.20, 0.55], [0.55, 0.05, 0.40], [0.10, 0.30, 0.60], [0.90, 0.05, 0.05]])
    right = probabilities.argmax(axis=1) == [0, 1, 2, 0]
    figures = calibration_figures(probabilities.max(axis=1)[:, None], right[:, None], num_bins=3)
    return {"l1": float(calibration_error(figures.sum(axis=0)))}


def attributed(function: Any, record: Any) -> list[float]:
    x, baseline = (torch.tensor(record["input"].get(name, [0.0, 0.0])) for name in ("x", "baseline"))
    return list(integrated_gradients(function, x, baseline, num_steps=200).tolist())


def captums_model_2(v: torch.Tensor) -> torch.Tensor:
    return torch.relu(torch.relu(v[:, 0]) - 1 - torch.relu(v[:, 1]))


def captums_model_3(v: torch.Tensor) -> torch.Tensor:
    return torch.relu(torch.relu(v[:, 0] - 1) - torch.relu(v[:, 1]))


def gradients(record: Any) -> dict[str, Any]:
    return {"": attributed(captums_model_2, record)}


def another_network(record: Any) -> dict[str, Any]:
    first, other = (attributed(model, record) for model in (captums_model_2, captums_model_3))
    return {"sum_equal": sum(other) == pytest.approx(sum(first), abs=record["tolerance"]), "attr": other}


OURS = {
    FAIRLEARN: {
        "by_group_rates": rates_by_group,
        **dict.fromkeys(NAMES, criterion),
        "equal_opportunity_difference_undefined_group": undefined,
    },
    AIF360: {},
    SEQEVAL: {"conll_f1": tagged, "get_entities": entities, "seqeval_partial": tagged},
    CALIBRATION: {
        "binary_calibration_error": binary_calibration,
        "multiclass_calibration_error_note": multiclass_calibration,
    },
    ATTRIBUTION: {"integrated_gradients": gradients, "implementation_invariance": another_network},
}


def test_tags_that_the_strict_mode_refuses_are_named() -> None:
    (strict,) = (record for record in records(SEQEVAL) if record.function == "strict_IOB2_f1")
    (said,) = strict.content["input"]["y_pred"]
    (broken,) = broken_tags(said, "IOB2")
    assert broken.word == 0 and "nothing begins" in broken.detail
