"""Mitigation before and after: a planted unfairness on real tweets, and what each way of Luthier makes of it.

Data: `classification/davidson_raters.csv` of a folder of public data sets. Groups are tweets that speak of their writer
(the word "I") and others. In training, most harmless tweets of the first group are labelled `offensive`; held-out rows
have their true labels, so that a fair model shows there. Each line is one `luthier run` with the encoder.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

Row = dict[str, str]

_CRITERIA = {"parity": "demographic_parity", "odds": "equalized_odds"}
FIGURES = ("demographic_parity_difference", "equal_opportunity_difference", "equalized_odds_difference")


def _in_loss(method: str, criterion: str) -> dict[str, Any]:
    return {"method": method, "by": "kind", "positive": "offensive", "criterion": _CRITERIA[criterion]}


WAYS: dict[str, dict[str, Any]] = {
    "honest": {},
    "none": {},
    "reweighing": {"balance": {"by": ["label", "kind"], "weighting": "independent"}},
    "constraint-parity": {"fairness": _in_loss("constraint", "parity")},
    "constraint-odds": {"fairness": _in_loss("constraint", "odds")},
    "adversary-parity": {"fairness": _in_loss("adversary", "parity")},
    "adversary-odds": {"fairness": _in_loss("adversary", "odds")},
}
"""`honest` trains on true labels, `none` on the planted ones without mitigation."""

WEIGHTS = {"constraint": 5.0, "adversary": 3.0}


def main() -> None:
    """Run the ways and print a line of each, as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/classification"))
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[42])
    parser.add_argument("--rows", type=int, default=800, help="training rows")
    parser.add_argument("--held", type=int, default=1200, help="held-out rows")
    parser.add_argument("--epochs", type=float, default=3)
    parser.add_argument(
        "--planted", type=float, default=0.75, help="share of the harmless rows with a wrong label"
    )
    parser.add_argument("--weight", type=float, help="of constraint or adversary; default: 5 and 3")
    parser.add_argument("--adversary-rate", type=float)
    parser.add_argument("--folder", type=Path, default=Path("runs/bench-fairness"))
    options = parser.parse_args()
    print("| way | seed | accuracy | demographic parity | equal opportunity | equalized odds |")
    print("| --- | --- | --- | --- | --- | --- |")
    for seed in options.seeds:
        rows = read_rows(options.data / "davidson_raters.csv", options.rows + options.held, seed)
        train, held = rows[: options.rows], rows[options.rows :]
        for way in options.ways:
            labelled = train if way == "honest" else planted(train, options.planted, seed)
            shown = " | ".join(measured(way, labelled, held, seed, options))
            print(f"| {way} | {seed} | {shown} |", flush=True)


def read_rows(path: Path, count: int, seed: int) -> list[Row]:
    """Return rows of both classes in turn, drawn by the seed, with the group of each."""
    by_label: dict[str, list[Row]] = {"offensive": [], "fine": []}
    with path.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            label = "fine" if row["class"] == "2" else "offensive"
            kind = "self" if " i " in f" {row['tweet'].lower()} " else "other"
            by_label[label].append({"text": row["tweet"], "label": label, "kind": kind})
    generator = random.Random(seed)
    drawn = [generator.sample(rows, count // 2) for rows in by_label.values()]
    return [row for pair in zip(*drawn, strict=True) for row in pair]


def planted(rows: list[Row], share: float, seed: int) -> list[Row]:
    """Return the rows, a share of the harmless ones of the first group labelled offensive."""
    generator = random.Random(seed)
    return [
        {**row, "label": "offensive"} if row["kind"] == "self" and generator.random() < share else row
        for row in rows
    ]


def measured(
    way: str, train: list[Row], held: list[Row], seed: int, options: argparse.Namespace
) -> list[str]:
    """Return accuracy and differences between groups, with their intervals, of one run."""
    folder: Path = options.folder / f"{way}-{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in (("train", train), ("held", held)):
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")
    recipe = folder / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(recipe_of(way, seed, options)), encoding="utf-8")
    command = [sys.executable, "-m", "luthier", "run", str(recipe), "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    summary = json.loads(done.stdout)
    report = json.loads(Path(summary["report"]).with_name("report.json").read_text(encoding="utf-8"))
    (metric,) = [metric for metric in report["metrics"] if metric["metric"] == "accuracy"]
    (examined,) = report["examinations"]
    figures = {figure["name"]: figure["value"] for figure in examined["figures"]}
    return [_shown(metric["tuned"]), *(_shown(figures[f"fairness.kind.{name}"]) for name in FIGURES)]


def _shown(value: dict[str, float] | None) -> str:
    return (
        "undefined" if value is None else f"{value['value']:.3f} ({value['low']:.3f} to {value['high']:.3f})"
    )


def recipe_of(way: str, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """Return the recipe of one way."""
    changes = WAYS[way]
    objective: dict[str, Any] = {"name": "classification"}
    if fairness := changes.get("fairness"):
        weight = WEIGHTS[fairness["method"]] if options.weight is None else options.weight
        objective["fairness"] = {**fairness, "weight": weight}
        if options.adversary_rate is not None and fairness["method"] == "adversary":
            objective["fairness"]["adversary_learning_rate"] = options.adversary_rate
    recipe: dict[str, Any] = {
        "name": f"bench-{way}-{seed}",
        "runs_dir": str(options.folder.resolve() / "runs"),
        "seed": seed,
        "model": {"base": "minilm"},
        "data": {
            "train": [{"path": "train.jsonl", "attributes": ["kind"]}],
            "eval": {"sources": [{"path": "held.jsonl", "attributes": ["kind"]}]},
            "max_length": 32,
        },
        "objective": objective,
        "method": {"name": "full"},
        "train": {
            "learning_rate": 3.0e-4,
            "num_train_epochs": options.epochs,
            "per_device_train_batch_size": 32,
            "eval_strategy": "no",
            "report_to": [],
        },
        "evaluate": {"fairness": {"groups": ["kind"], "positive": "offensive"}},
    }
    if balance := changes.get("balance"):
        recipe["data"]["balance"] = balance
    return recipe


if __name__ == "__main__":
    main()
