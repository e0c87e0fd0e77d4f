"""Prompt files are read strictly: every fault has its place and a cure."""

from __future__ import annotations

from pathlib import Path

import pytest

from luthier.core.errors import RecipeError
from luthier.prompts.load import load_prompt
from luthier.prompts.shipped import shipped_prompts


def _load(folder: Path, text: str, name: str = "p.yaml") -> object:
    (folder / name).write_text(text, encoding="utf-8")
    return load_prompt(folder / name)


def test_markdown_is_front_matter_and_template(tmp_path: Path) -> None:
    text = "---\nsystem: 你是助手。\nanswer: '{{ a }}'\n---\n问题：{{ q }}\n"
    from_markdown = load_prompt(_written(tmp_path / "p.md", text))
    from_yaml = _load(tmp_path, "system: 你是助手。\nanswer: '{{ a }}'\ntemplate: '问题：{{ q }}'\n")
    assert from_markdown == from_yaml


def test_name_is_the_files(tmp_path: Path) -> None:
    assert load_prompt(_written(tmp_path / "few-shot.yaml", "template: x")).name == "few-shot"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("templat: x", ["templat (line 1): unknown key", "did you mean `template`", "template: is required"]),
        ("template: x\nmax_new_tokens: many", ["max_new_tokens (line 2)"]),
        ("template: {{ q }}", ["needs quotes in YAML"]),
        ("template: x\nanswer: {a: 1}", ["answer (line 2)"]),
        ("template: x\ntemplate: y", ["stands twice"]),
        ("- a", ["this is a list"]),
        ("template: x\nexamples: {coun: 3}", ["examples.coun", "did you mean `count`"]),
        ("template: x\nchoices: [a, b]\nchoices_in_row: '{{ o }}'", ["stands beside choices"]),
        ("template: x\nchoices: [a, a]", ["names 'a' twice"]),
        ("template: x\nformat: text\nsystem: y", ["system (line 3): has no effect"]),
        ("template: x\nreasoning: {instruction: think}", ["needs a rule", "after: 'Answer:'"]),
        ("template: x\nextract: {}", ["names no rule"]),
        ("template: x\nextract: {pattern: 'a('}", ["no regular expression"]),
        ("template: x\nextract: {pattern: 'a'}", ["has no group"]),
        ("template: x\nextract: {pattern: '(a)', after: b}", ["no effect beside pattern"]),
        ("template: x\nexamples: {count: 3, template: x}", ["either a pool or rows"]),
        ("template: x\nexamples: {pool: a.csv, template: x}", ["examples.count", "is required"]),
        (
            "template: x\nexamples: {pool: a.csv, select: fixed, template: x}",
            ["examples.numbers", "is required"],
        ),
        ("template: x\nexamples: {pool: a.csv, count: 2}", ["examples.template", "is required"]),
        (
            "template: x\nexamples: {pool: a.csv, count: 2, template: x, relevance: 0.5}",
            ["examples.relevance", "has no effect with select: similar"],
        ),
        (
            "template: x\nexamples: {pool: a.csv, count: 2, template: x, select: random, by: y}",
            ["examples.by", "has no effect"],
        ),
        (
            "template: x\nexamples: {pool: a.csv, count: 2, template: x, seed: 3}",
            ["examples.seed", "has no effect"],
        ),
        (
            "template: x\nexamples: {pool: a.csv, count: 2, written_as: turns, separator: y}",
            ["examples.separator", "written_as: turns"],
        ),
        ("template: x\ntoo_long: fewer_examples", ["no effect without examples"]),
    ],
)
def test_faults(tmp_path: Path, text: str, told: list[str]) -> None:
    with pytest.raises(RecipeError) as error:
        _load(tmp_path, text)
    for words in told:
        assert words in str(error.value)


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("p.md", "no front matter", "has no front matter"),
        ("p.md", "---\ntemplate: x\n---\ny", "in the front matter and below"),
        ("p.md", "---\nsytem: x\n---\ny", "sytem (line 2): unknown key"),
        ("p.txt", "template: x", "is of no known kind: .txt"),
    ],
)
def test_other_files(tmp_path: Path, name: str, text: str, told: str) -> None:
    with pytest.raises(RecipeError) as error:
        _load(tmp_path, text, name)
    assert told in str(error.value)


def test_absent_file(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="luthier prompt init"):
        load_prompt(tmp_path / "none.yaml")


def test_shipped_prompts_are_read() -> None:
    prompts = shipped_prompts()
    assert len(prompts) >= 6
    for path in prompts.values():
        assert load_prompt(path).description


def _written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path
