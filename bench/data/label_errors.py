"""Planted label errors in Banking77: how many `luthier data label-errors` finds, by each of cleanlab's rules.

.venv/bin/python bench/data/label_errors.py --data ../shared/data/classification/banking77_train.csv

5 % of the labels are changed: at random, or to the intent that a classifier takes for the second most probable, as
people confuse them. Errors that Banking77 has of its own count as false alarms.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from pathlib import Path
from typing import get_args

import numpy as np

from luthier.data.annotation.classifier import cross_validated
from luthier.data.annotation.label_errors import Filter, find_label_errors
from luthier.models.embed import Embedder


def main() -> None:
    """Print one JSON line per kind of error and rule."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with options.data.open(newline="") as file:
        rows = list(csv.DictReader(file))
    start = time.perf_counter()
    vectors = Embedder("minilm")([row["text"] for row in rows])
    print(json.dumps({"rows": len(rows), "embedding_seconds": round(time.perf_counter() - start, 1)}))
    names = sorted({row["category"] for row in rows})
    labels_N = np.array([names.index(row["category"]) for row in rows])
    generator = np.random.default_rng(options.seed)
    wrong = generator.choice(len(rows), int(len(rows) * options.share), replace=False)
    planted = set(wrong.tolist())
    for kind in ("random", "similar"):
        planted_N = labels_N.copy()
        if kind == "random":
            planted_N[wrong] = (labels_N[wrong] + generator.integers(1, len(names), len(wrong))) % len(names)
        else:
            probabilities_NL = cross_validated(vectors, labels_N)
            probabilities_NL[np.arange(len(rows)), labels_N] = -1
            planted_N[wrong] = probabilities_NL.argmax(axis=1)[wrong]
        for rule in get_args(Filter):
            start = time.perf_counter()
            found = find_label_errors(vectors, [names[label] for label in planted_N], filter_by=rule)
            hits = [suspect.index in planted for suspect in found.suspects]
            result = {
                "errors": kind,
                "rule": rule,
                "suspects": len(hits),
                "precision": round(float(np.mean(hits)), 3),
                "recall": round(sum(hits) / len(wrong), 3),
                "precision_of_first_100": round(float(np.mean(hits[:100])), 2),
                "seconds": round(time.perf_counter() - start, 1),
            }
            print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
