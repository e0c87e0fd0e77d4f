"""Metrics of classification as figures of each row: sums of them give accuracy, F1 and the correlation coefficient."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from luthier.objectives.classification.calibration import calibration_error, calibration_figures
from luthier.objectives.contract import Measure, Values

Hot = NDArray[np.bool_]
"""Which classes each row has, or is said to have, shape [N, C]."""

# Shapes: N rows, C classes; sums over rows are hits, true and said rows of each class: [..., 3C].


def class_figures(true_NC: Hot, said_NC: Hot) -> Values:
    """Return for each row and class whether it was hit, true, and said, float64, shape [N, 3C]."""
    return np.concatenate([true_NC & said_NC, true_NC, said_NC], axis=1).astype(np.float64)


def classification_measures(
    losses_N: Values, probabilities_NC: Values, true_NC: Hot, said_NC: Hot, *, is_single: bool
) -> list[Measure]:
    """Return all metrics of classification.

    Args:
        losses_N: Plain loss of each row.
        probabilities_NC: Of each class.
        true_NC: Classes of each row.
        said_NC: Classes that are predicted.
        is_single: Whether a row has exactly one class.
    """
    ones = np.ones(len(losses_N))
    correct = (true_NC == said_NC).all(axis=1).astype(np.float64)
    by_class = class_figures(true_NC, said_NC)
    pooled = np.stack([(true_NC & said_NC).sum(1), true_NC.sum(1), said_NC.sum(1)], axis=1).astype(np.float64)
    if is_single:
        correlation = Measure("mcc", "Matthews correlation", by_class, matthews_of_classes)
    else:
        decisions = np.concatenate([pooled, np.full((len(ones), 1), float(true_NC.shape[1]))], axis=1)
        correlation = Measure(
            "mcc", "Matthews correlation of all row–class decisions", decisions, matthews_of_decisions
        )
    return [
        Measure("eval_loss", "Loss (nats)", np.stack([losses_N, ones], axis=1), ratio, lower_is_better=True),
        Measure("accuracy", "Accuracy" if is_single else "Accuracy (all labels of a row right)",
                np.stack([correct, ones], axis=1), ratio),
        Measure("precision_macro", "Precision, mean over classes", by_class, macro_precision),
        Measure("recall_macro", "Recall, mean over classes", by_class, macro_recall),
        Measure("f1_macro", "F1, mean over classes", by_class, macro_f1),
        Measure("f1_micro", "F1, all decisions pooled", pooled, pooled_f1),
        Measure("f1_weighted", "F1, classes weighted by their rows", by_class, weighted_f1),
        correlation,
        Measure("calibration_error", "Calibration error: how much surer than right",
                _calibration(probabilities_NC, true_NC, said_NC, is_single=is_single), calibration_error,
                lower_is_better=True, is_distance=True),
    ]  # fmt: skip


def ratio(sums: Values) -> Values:
    """Return first over second of sums [..., 2]."""
    return np.asarray(sums[..., 0] / sums[..., 1])


def f1_of_classes(sums: Values) -> Values:
    """Return the F1 of each class [..., C]; NaN for one that is neither true nor said anywhere."""
    hits, true, said = np.split(sums, 3, axis=-1)
    return _share(2.0 * hits, true + said)


def class_scores(sums: Values) -> Values:
    """Return precision, recall and F1 of each class, one after another, [..., 3C]; NaN where there is none."""
    hits, true, said = np.split(sums, 3, axis=-1)
    return np.concatenate([_share(hits, said), _share(hits, true), f1_of_classes(sums)], axis=-1)


def macro_precision(sums: Values) -> Values:
    """Return the mean precision over the classes that occur; one that is never said has 0, as in scikit-learn."""
    return _macro(sums, 0)


def macro_recall(sums: Values) -> Values:
    """Return the mean recall over the classes that occur; one that is never true has 0, as in scikit-learn."""
    return _macro(sums, 1)


def _macro(sums: Values, place: int) -> Values:
    """Return the mean over the classes that are true or said of precision (place 0) or recall (1)."""
    exists = ~np.isnan(f1_of_classes(sums))
    scores = np.nan_to_num(np.split(class_scores(sums), 3, axis=-1)[place])
    return _share(np.where(exists, scores, 0.0).sum(axis=-1), exists.sum(axis=-1))


def _calibration(probabilities_NC: Values, true_NC: Hot, said_NC: Hot, *, is_single: bool) -> Values:
    """Return the figures of how sure each decision is: the class of a row, or yes or no to each class."""
    if is_single:
        sure_ND = probabilities_NC.max(axis=1, keepdims=True)
        right_N1 = np.asarray((true_NC & said_NC).any(axis=1, keepdims=True))
        return calibration_figures(sure_ND, right_N1)
    sure_NC = np.where(said_NC, probabilities_NC, 1 - probabilities_NC)
    return calibration_figures(sure_NC, np.asarray(true_NC == said_NC))


def macro_f1(sums: Values) -> Values:
    """Return the mean F1 over the classes that occur among the rows or the predictions, as scikit-learn does."""
    scores = f1_of_classes(sums)
    exists = ~np.isnan(scores)
    return _share(np.where(exists, scores, 0.0).sum(axis=-1), exists.sum(axis=-1))


def weighted_f1(sums: Values) -> Values:
    """Return the mean F1 over classes, each as often as it is true."""
    true = np.split(sums, 3, axis=-1)[1]
    scores = np.nan_to_num(f1_of_classes(sums))
    return np.nan_to_num(_share((scores * true).sum(axis=-1), true.sum(axis=-1)))


def pooled_f1(sums: Values) -> Values:
    """Return F1 of hits, true and said decisions together, [..., 3]; 0 where there are none."""
    return np.nan_to_num(_share(2.0 * sums[..., 0], sums[..., 1] + sums[..., 2]))


def matthews_of_classes(sums: Values) -> Values:
    """Return the correlation of true and said class over rows with one class each.

    Reference:
        J. Gorodkin, Comparing two K-category assignments by a K-category correlation coefficient, 2004.
    """
    hits, true, said = np.split(sums, 3, axis=-1)
    rows = true.sum(axis=-1)
    product = (true * said).sum(axis=-1)
    spread = np.sqrt((rows**2 - (said**2).sum(axis=-1)) * (rows**2 - (true**2).sum(axis=-1)))
    return np.nan_to_num(_share(hits.sum(axis=-1) * rows - product, spread))


def matthews_of_decisions(sums: Values) -> Values:
    """Return the correlation of true and said over yes-or-no decisions, from hits, true, said and all, [..., 4]."""
    hits, true, said, total = np.moveaxis(sums, -1, 0)
    spread = np.sqrt(true * (total - true) * said * (total - said))
    return np.nan_to_num(_share(hits * total - true * said, spread))


def _share(part: Values, whole: Values) -> Values:
    """Return part / whole; NaN where the whole is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(np.asarray(whole) > 0, np.divide(part, whole), np.nan))
