"""SmolLM2 compared with and without examples, by the command that a user types."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from luthier.cli.main import main

CAPITALS = {
    "France": "Paris",
    "Germany": "Berlin",
    "Italy": "Rome",
    "Spain": "Madrid",
    "Japan": "Tokyo",
    "Egypt": "Cairo",
}
PLAIN = """
data: rows.jsonl
template: "What is the capital of {{ country }}?"
answer: "{{ capital }}"
choices: [Paris, Berlin, Rome, Madrid, Tokyo, Cairo]
"""
# Examples that say the opposite of what is asked: a model that reads its prompt is led astray.
MISLED = """
data: rows.jsonl
template: "{{ examples }}\\nWhat is the capital of {{ country }}?"
answer: "{{ capital }}"
choices: [Paris, Berlin, Rome, Madrid, Tokyo, Cairo]
examples:
  rows: [{country: "the first land", capital: Cairo}, {country: "the second land", capital: Cairo}]
  select: fixed
  template: "What is the capital of {{ country }}? The answer is always {{ example_answer }}. Say {{ example_answer }}."
"""


@pytest.mark.slow
def test_smollm2_knows_capitals_and_reads_its_examples(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [json.dumps({"country": country, "capital": capital}) for country, capital in CAPITALS.items()]
    (tmp_path / "rows.jsonl").write_text("\n".join(rows), encoding="utf-8")
    (tmp_path / "plain.yaml").write_text(PLAIN, encoding="utf-8")
    (tmp_path / "misled.yaml").write_text(MISLED, encoding="utf-8")
    files = [str(tmp_path / f"{name}.yaml") for name in ("plain", "misled")]
    options = ["--model", "smollm2-135m-instruct", "--metric", "choice_log_likelihood"]
    main(["prompt", "compare", *files, *options, "--json", "-o", str(tmp_path / "out")])
    scores = {
        prompt["name"]: prompt["score"]["value"] for prompt in json.loads(capsys.readouterr().out)["prompts"]
    }
    assert scores["plain"] >= 5 / 6
    assert scores["misled"] < scores["plain"]
