"""`luthier data annotate`, `agreement` and `label-errors` as a user types them."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path
from typing import Any

import pytest

from luthier.cli.annotate.group import ANNOTATE_COMMANDS
from tests.models.tiny_encoder import save_tiny_encoder
from tests.tiny_job import luthier

TRUTH = ["退款", "物流"] * 15
TEXTS = {"退款": "好好天气", "物流": "坏坏人人"}


def run(folder: Path, *arguments: object) -> Any:
    """Run a command with ``--json`` and return what it printed."""
    done = luthier("data", *arguments, "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def fails(folder: Path, *arguments: object) -> str:
    done = luthier("data", *arguments, cwd=folder)
    assert done.returncode == 2, done.stdout
    return " ".join(done.stderr.split())


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with rows, ratings of 24 of them, and a project that holds both."""
    generator = random.Random(0)
    rows = [{"id": f"r{n}", "text": f"{TEXTS[label]}{n}"} for n, label in enumerate(TRUTH)]
    other = {"退款": "物流", "物流": "退款"}
    ratings = []
    for number, (row, label) in enumerate(zip(rows[:24], TRUTH, strict=False)):
        said = {
            f"rater:{name}": label if generator.random() < skill else other[label]
            for name, skill in (("ann", 1.0), ("bea", 0.8), ("cem", 0.7))
        }
        ratings.append({**row, **said, "gold": label if number < 8 else ""})
    for name, table in (("rows.csv", rows), ("ratings.csv", ratings)):
        with (tmp_path / name).open("w", newline="") as file:
            writer = csv.DictWriter(file, list(table[0]))
            writer.writeheader()
            writer.writerows(table)
    run(tmp_path, "annotate", "init", "p", "--rows", "rows.csv", "--label", "退款", "--label", "物流")
    run(tmp_path, "annotate", "import", "p", "ratings.csv")
    return tmp_path


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_command_has_help_and_json() -> None:
    for name in ANNOTATE_COMMANDS:
        done = luthier("data", "annotate", name, "--help", cwd=Path.cwd())
        assert done.returncode == 0 and "--json" in done.stdout, name


def test_a_project_from_rows_to_labels(here: Path) -> None:
    status = run(here, "annotate", "status", "p")
    assert (status["rows"], status["ratings"], status["raters"], status["gold_rows"]) == (30, 72, 3, 8)
    assert run(here, "annotate", "import", "p", "ratings.csv")["taken"] == {
        "ratings known": 72,
        "gold known": 8,
    }
    done = run(here, "annotate", "adjudicate", "p", "-o", "out.jsonl", "--confidence-field", "sure")
    assert done["how"]["gold"] == 8 and done["how"]["undecided: unrated"] == 6 and done["by"] == "vote"
    rows = [json.loads(line) for line in (here / "out.jsonl").read_text().splitlines()]
    assert len(rows) == done["decided"] == 24 and set(rows[0]) == {"text", "label", "sure"}
    by_model = run(here, "annotate", "adjudicate", "p", "--by", "dawid-skene", "--min-confidence", "1.0")
    assert by_model["by"] == "dawid-skene" and by_model["decided"] < 24
    assert (
        "wrote out.jsonl: 24 rows"
        in luthier("data", "annotate", "adjudicate", "p", "-o", "out.jsonl", cwd=here).stdout
    )


def test_agreement_of_project_and_file(here: Path) -> None:
    of_project = run(here, "agreement", "p", "--samples", "100")
    of_file = run(here, "annotate", "agreement", "ratings.csv", "--samples", "100")
    assert of_project["measures"][1]["value"] == of_file["measures"][1]["value"]
    assert len(of_project["pairs"]) == 3 and of_project["confidence"] == 0.95
    shown = luthier("data", "agreement", "p", "--confidence", "0.9", cwd=here).stdout
    assert "fleiss_kappa" in shown and "90% interval" in shown
    assert "no effect on a project" in fails(here, "agreement", "p", "--rater", "x")


def test_davidson(davidson: Path) -> None:
    counts = [x for name in ("hate_speech", "offensive_language", "neither") for x in ("--count", name)]
    found = run(davidson.parent, "agreement", davidson.name, *counts, "--samples", "100")
    fleiss = next(m for m in found["measures"] if m["name"] == "fleiss_kappa")
    assert (fleiss["num_rows"], round(fleiss["value"], 3)) == (22_807, 0.549)


@pytest.fixture
def davidson(shared_data: Path) -> Path:
    """Davidson's tweets with the number of raters per label."""
    return shared_data / "classification" / "davidson_raters.csv"


def test_raters_and_disputed(here: Path) -> None:
    records = run(here, "annotate", "raters", "p", "--per", "day")
    ann = next(record for record in records if record["rater"] == "ann")
    assert ann["gold"]["errors"] == 0 and ann["gold"]["total"] == 8 and len(ann["periods"]) == 1
    assert "95% interval" in luthier("data", "annotate", "raters", "ratings.csv", cwd=here).stdout
    queue = run(here, "annotate", "disputed", "p", "-o", "queue.csv")
    assert queue["disputed"] == len(queue["rows"]) == len(rows_of(here / "queue.csv")) > 0
    assert queue["rows"][0]["entropy"] == pytest.approx(0.918296)  # two against one, in bits
    assert run(here, "annotate", "disputed", "p", "--min-entropy", "0.95")["disputed"] == 0
    assert len(run(here, "annotate", "disputed", "p", "--limit", "1")["rows"]) == 1


@pytest.mark.parametrize("format", ["labelstudio", "argilla"])
def test_to_another_tool_and_back(here: Path, format: str) -> None:
    run(here, "annotate", "export", "p", "-o", "out.json", "--format", format)
    run(here, "annotate", "init", "q", "--label", "退款", "--label", "物流")
    assert "--add-rows" in fails(here, "annotate", "import", "q", "out.json")
    taken = run(here, "annotate", "import", "q", "out.json", "--add-rows")["taken"]
    assert (taken["rows added"], taken["ratings added"], taken["gold added"]) == (30, 72, 8)
    first, second = (run(here, "annotate", "status", folder) for folder in ("p", "q"))
    assert first == second
    assert "no effect without --format labelstudio" in fails(
        here, "annotate", "export", "p", "-o", "x.json", "--format", "argilla", "--config", "x.xml"
    )


def test_an_audit(here: Path) -> None:
    drawn = run(here, "annotate", "audit", "p", "-o", "sample.csv", "--margin", "0.1", "--seed", "3")
    rows = rows_of(here / "sample.csv")
    assert drawn["sampled"] == len(rows) < drawn["rows"] == 24
    again = run(here, "annotate", "audit", "p", "-o", "again.csv", "--margin", "0.1", "--seed", "3")
    assert (here / "again.csv").read_bytes() == (here / "sample.csv").read_bytes() and again["sampled"]
    assert "no row is checked yet" in fails(here, "annotate", "audit", "sample.csv", "--checked")
    for number, row in enumerate(rows):
        row["correct_label"] = row["label"] if number else ("退款" if row["label"] == "物流" else "物流")
    with (here / "sample.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    found = run(here, "annotate", "audit", "sample.csv", "--checked")
    assert (found["num_errors"], found["num_checked"]) == (1, len(rows))
    corrected = run(
        here, "annotate", "correct", "p", "--from", "sample.csv", "--by", "lead", "--reason", "audit"
    )
    assert [entry["row"] for entry in corrected["corrected"]] == [rows[0]["id"]]
    assert "no effect beside --checked" in fails(
        here, "annotate", "audit", "sample.csv", "--checked", "--margin", "0.1"
    )


def test_corrections_are_logged_and_changes_of_the_log_show(here: Path) -> None:
    label = "物流" if TRUTH[0] == "退款" else "退款"
    correct = ("annotate", "correct", "p", "--by", "lead", "--reason", "条款 2")
    head = run(here, *correct, "--row", "r0", "--to", label)["head"]
    run(here, *correct, "--row", "r29", "--to", "退款")
    log = run(here, "annotate", "log", "p", "--head", head)
    assert [(e["row"], e["before"], e["after"]) for e in log["entries"]] == [
        ("r0", TRUTH[0], label),
        ("r29", None, "退款"),
    ]
    assert len(run(here, "annotate", "log", "p", "--row", "r0", "-o", "trace.csv")["entries"]) == 1
    assert rows_of(here / "trace.csv")[0]["reason"] == "条款 2"
    assert run(here, "annotate", "log", "p", "--by", "nobody")["entries"] == []
    assert "the chain is whole" in luthier("data", "annotate", "log", "p", cwd=here).stdout
    assert "did you mean" in fails(here, *correct, "--row", "r0", "--to", "退")
    assert "either --row and --to, or --from" in fails(here, *correct, "--row", "r0")
    path = here / "p" / "corrections.jsonl"
    path.write_text(path.read_text().replace("lead", "boss", 1))
    assert "corrections.jsonl, line 1: was changed" in fails(here, "annotate", "log", "p")


def test_corrections_of_a_file(here: Path) -> None:
    (here / "rows.csv").write_text("text,label\na,退款\nb,物流\n")
    correct = ("annotate", "correct", "rows.csv", "--by", "ann", "--reason", "typo", "--row", "1", "--to")
    found = run(here, *correct, "物流", "-o", "right.csv", "--log", "log.jsonl")
    assert [row["label"] for row in rows_of(here / "right.csv")] == ["物流", "物流"]
    assert found["corrected"][0]["before"] == "退款"
    assert run(here, "annotate", "log", "log.jsonl")["total"] == 1
    assert "name -o and --log" in fails(here, *correct, "物流")


def test_prelabels_of_a_classifier(here: Path, tmp_path: Path) -> None:
    save_tiny_encoder(tmp_path / "encoder")
    found = run(here, "annotate", "prelabel", "p", "--base", "encoder")
    assert found["proposed"] == found["rows"] == 6 and found["taken"] == {"pre-labels added": 6}
    assert run(here, "annotate", "status", "p")["rows_with_pre-labels"] == 6
    assert run(here, "annotate", "prelabel", "p", "--base", "encoder", "--all")["rows"] == 30
    run(here, "annotate", "export", "p", "-o", "out.json", "--format", "labelstudio")
    proposed = [task["predictions"] for task in json.loads((here / "out.json").read_text())][24:]
    assert [p[0]["result"][0]["value"]["choices"][0] for p in proposed] == TRUTH[24:]
    assert "no effect without --server" in fails(here, "annotate", "prelabel", "p", "--model", "m")
    assert "--seed has no effect without --server" in fails(here, "annotate", "prelabel", "p", "--seed", "0")
    served = ("annotate", "prelabel", "p", "--server", "http://x", "--model", "m")
    assert "--seed has no effect on one answer" in fails(here, *served, "--seed", "1")
    assert "no effect without --train" in fails(here, "annotate", "prelabel", "p", "--text-field", "t")
    (here / "more.csv").write_text("t,c\n好,退款\n坏,其他\n")
    train = ("--train", "more.csv", "--text-field", "t", "--label-field", "c")
    assert "more.csv, row 2: '其他' is not a label" in fails(here, "annotate", "prelabel", "p", *train)
    assert "the chat model has no name" in fails(here, "annotate", "prelabel", "p", "--server", "http://x")


def test_label_errors(tmp_path: Path) -> None:
    save_tiny_encoder(tmp_path / "encoder")
    rows = [{"t": f"{TEXTS[label]}{n}", "c": label} for n, label in enumerate(TRUTH * 3)]
    wrong = {7, 40, 81}
    for row in wrong:
        rows[row]["c"] = "物流" if rows[row]["c"] == "退款" else "退款"
    with (tmp_path / "rows.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["t", "c"])
        writer.writeheader()
        writer.writerows(rows)
    options = ("rows.csv", "--text-field", "t", "--label-field", "c", "--base", "encoder")
    every = ("--filter-by", "predicted_neq_given")
    found = run(tmp_path, "label-errors", *options, *every, "-o", "list.csv")
    assert {int(row["id"]) - 1 for row in found["rows"]} == wrong
    assert found["judged"] == 90 and found["suspects"] == 3
    listed = rows_of(tmp_path / "list.csv")
    assert [row["suggestion"] for row in listed] == [TRUTH[(int(row["id"]) - 1) % 30] for row in listed]
    assert listed[0]["correct_label"] == ""
    assert len(run(tmp_path, "label-errors", *options, *every, "--limit", "2")["rows"]) == 2
    assert "doubtful" in luthier("data", "label-errors", *options, cwd=tmp_path).stdout
    assert "--text-field" in fails(tmp_path, "label-errors", "rows.csv", "--base", "encoder")
    assert "'nowhere' is neither a folder" in fails(tmp_path, "label-errors", *options[:-1], "nowhere")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("annotate", "status", "nowhere"), "is not an annotation project"),
        (("annotate", "init", "x", "--label", "a"), "two at least"),
        (
            (
                "annotate",
                "init",
                "x",
                "--rows",
                "rows.csv",
                "--text-field",
                "txet",
                "--label",
                "a",
                "--label",
                "b",
            ),
            "rows.csv, row r0: field 'txet' is missing",
        ),
        (("annotate", "init", "x", "--label", "a", "--labels", "y"), "--label and --labels both"),
        (("annotate", "init", "p", "--label", "a", "--label", "b"), "already exists"),
        (("annotate", "import", "p", "rows.csv"), "holds no ratings"),
        (("annotate", "agreement", "rows.csv"), "holds no ratings"),
        (("annotate", "audit", "p"), "no file to write the sample to"),
        (("annotate", "adjudicate", "p", "--confidence-field", "x"), "no effect without --output"),
        (("annotate", "log", "nowhere"), "no such file or project"),
    ],
)
def test_mistakes_say_what_to_do(here: Path, arguments: tuple[str, ...], message: str) -> None:
    assert message in fails(here, *arguments)


def test_labels_and_guidelines_of_files(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("\ufeffa\n\nb \n", encoding="utf-8")
    (tmp_path / "rules.md").write_text("Rules 规则")
    init = ("annotate", "init", "p", "--labels", "labels.txt", "--guidelines", "rules.md")
    found = run(tmp_path, *init, "--scale", "ordinal", "--adjudication", "dawid-skene", "--question", "q")
    assert found["labels"] == ["a", "b"]
    assert (tmp_path / "p" / "guidelines.md").read_text() == "Rules 规则"
    settings = json.loads((tmp_path / "p" / "annotation.json").read_text())
    assert (settings["scale"], settings["adjudication"], settings["question"]) == (
        "ordinal",
        "dawid-skene",
        "q",
    )
