"""What augmentation brings: accuracy of a classifier with few rows a class, with and without new rows, by kind.

    augment.py                          all kinds that need no chat model, Banking77, 10 rows a class, 3 draws
    augment.py --kinds paraphrase       with SmolLM2 as the model

The classifier is a logistic regression over MiniLM's vectors, trained on the few rows and one new row for each, and
tested on Banking77's own test rows: as they are, and mistyped in a tenth of their words. The first line has no new
rows. Speed is that of the step alone; similarity is the mean cosine of MiniLM's vectors of old and new row.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression

from luthier.data.augment.build import operation_of
from luthier.data.augment.gate import DriftGate
from luthier.data.augment.provenance import provenance_of
from luthier.data.augment.quota import Quota
from luthier.data.augment.segment import edit_text
from luthier.data.augment.step import Augmentation
from luthier.data.augment.typing_noise import TypingNoise
from luthier.data.operators.batch import batches_of_rows, rows_of
from luthier.data.sources import read_rows
from luthier.models.chat_writer import ChatWriter
from luthier.models.embed import Embedder
from luthier.recipe.data_sections.augment import AugmentSection

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "classification"
KINDS = "synonyms insertion deletion swap typing ocr homophones masking prefix suffix sentence_order back_translation"


def main() -> None:
    """Print a line for each kind."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--kinds", nargs="+", default=KINDS.split())
    parser.add_argument("--rows-per-class", type=int, default=10)
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--gate", type=float)
    options = parser.parse_args()
    embed = Embedder("minilm")
    train = _rows("banking77_train.csv")
    test = _rows("banking77_test.csv")
    typing = TypingNoise(0.1)
    noisy = [edit_text(row["text"], typing, Random(number))[0] for number, row in enumerate(test)]
    tests = [embed([row["text"] for row in test]), embed(noisy)]
    wanted = [row["category"] for row in test]
    print(f"{'kind':<17}{'new rows':>9}{'rows/s':>9}{'similarity':>12}{'accuracy':>10}{'mistyped':>10}")
    for kind in ["none", *options.kinds]:
        lines = [_line(kind, _few(train, options.rows_per_class, draw), draw, embed, tests, wanted, options.gate)
                 for draw in range(options.draws)]  # fmt: skip
        count, speed, similarity, clean, mistyped = np.mean(lines, axis=0)
        print(
            f"{kind:<17}{count:>9,.0f}{speed:>9,.0f}{similarity:>12.3f}{clean:>10.4f}{mistyped:>10.4f}",
            flush=True,
        )


def _rows(name: str) -> list[dict[str, Any]]:
    return [row for _, row in read_rows(DATA / name)]


def _few(rows: Sequence[dict[str, Any]], number: int, draw: int) -> list[dict[str, Any]]:
    chosen: dict[str, list[dict[str, Any]]] = {}
    for row in Random(draw).sample(rows, len(rows)):
        few = chosen.setdefault(row["category"], [])
        if len(few) < number:
            few.append(row)
    return [row for few in chosen.values() for row in few]


def _line(
    kind: str,
    rows: list[dict[str, Any]],
    seed: int,
    embed: Embedder,
    tests: Sequence[Any],
    wanted: list[str],
    least: float | None,
) -> tuple[float, ...]:
    out, similarities, seconds = rows, [1.0], 1.0
    if kind != "none":
        gate = DriftGate(least, None, embed)
        start = time.perf_counter()
        plain = _augmented(kind, rows, seed, DriftGate())
        seconds = time.perf_counter() - start
        out, similarities = _augmented(kind, rows, seed, gate) if least is not None else plain
        texts = [row["text"] for row in out]
        similarities = similarities or list(_similarities(embed, texts[len(rows) :], out, rows))
    vectors = embed([row["text"] for row in out])
    model = LogisticRegression(C=10.0, max_iter=300).fit(vectors, [row["category"] for row in out])
    scores = [float(model.score(test, wanted)) for test in tests]
    return len(out) - len(rows), (len(out) - len(rows)) / seconds, float(np.mean(similarities)), *scores


def _similarities(
    embed: Embedder, new: list[str], out: list[dict[str, Any]], rows: list[dict[str, Any]]
) -> Any:
    by_group = {row["group"]: row["text"] for row in out[: len(rows)]}
    old = [by_group[row["group"]] for row in out[len(rows) :]]
    return (embed(old) * embed(new)).sum(axis=1)


def _augmented(
    kind: str, rows: list[dict[str, Any]], seed: int, gate: DriftGate
) -> tuple[list[dict[str, Any]], list[float]]:
    options = {"kind": kind} | ({"model": "smollm2-135m-instruct"} if kind == "paraphrase" else {})
    (section,) = AugmentSection.model_validate({"operations": [options]}).operations
    operation = operation_of(section, folder=Path(), load_write=ChatWriter)
    step = Augmentation([operation], Quota([1.0]), seed=seed, gate=gate)
    batches = batches_of_rows(enumerate(rows, start=1), ["text"], source="few.csv")
    kept, similarities = [], []
    for batch in step(batches):
        columns = (batch[name].to_pylist() for name in ("reason", "changes"))
        for row, reason, changes in zip(rows_of(batch), *columns, strict=True):
            if reason is None:
                kept.append(row)
                origin = provenance_of(changes)
                if origin and origin.similarity is not None:
                    similarities.append(origin.similarity)
    return kept, similarities


if __name__ == "__main__":
    main()
