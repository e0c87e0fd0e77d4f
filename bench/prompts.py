"""Five prompts for twelve of Banking77's intents, compared: the table of docs/prompts.md.

Makes the subset from the public data beside the project, writes the prompts, and runs `luthier prompt compare`.
Answers are kept, so that a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
from pathlib import Path

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "classification"
INTENTS = ("card_arrival", "card_linking", "card_not_working", "card_swallowed", "lost_or_stolen_card",
           "activate_my_card", "change_pin", "pin_blocked", "get_physical_card", "card_about_to_expire",
           "contactless_not_working", "compromised_card")  # fmt: skip

ZERO = """template: |
  {list}Message: {{{{ text }}}}
  Intent:
"""
SHOWN = """template: |
  {{{{ examples }}}}

  Message: {{{{ text }}}}
  Intent:
examples:
  pool: train.csv
  select: {select}
  count: 8
  template: |
    Message: {{{{ text }}}}
    Intent: {{{{ example_answer }}}}
"""
COMMON = """answer: "{{ category | words }}"
choices_from: {file: train.csv, text: "{{ category | words }}"}
"""
PROMPTS = {
    "question": ZERO.format(list=""),
    "list": ZERO.format(list="The intents are: {{ choices }}.\n\n  "),
    "random": SHOWN.format(select="random"),
    "similar": SHOWN.format(select="similar"),
    "diverse": SHOWN.format(select="diverse"),
}


def main() -> None:
    """Write rows and prompts, then compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="Where rows, prompts and the report go.")
    parser.add_argument("--model", default="smollm2-135m-instruct")
    parser.add_argument("--rows", type=int, default=200)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for side in ("train", "test"):
        with (DATA / f"banking77_{side}.csv").open(encoding="utf-8", newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["category"] in INTENTS]
        with (arguments.folder / f"{side}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, ["text", "category"])
            writer.writeheader()
            writer.writerows(rows)
    for name, text in PROMPTS.items():
        (arguments.folder / f"{name}.yaml").write_text(f"data: test.csv\n{text}{COMMON}", encoding="utf-8")
    files = [str(arguments.folder / f"{name}.yaml") for name in PROMPTS]
    command = [
        *(sys.executable, "-m", "luthier", "prompt", "compare", *files, "--model", arguments.model),
        *("--metric", "choice_log_likelihood", "--rows", str(arguments.rows)),
        *("-o", str(arguments.folder / "report")),
    ]
    sys.exit(subprocess.run(command).returncode)


if __name__ == "__main__":
    main()
