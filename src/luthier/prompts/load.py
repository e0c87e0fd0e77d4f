"""Read a prompt from YAML, or from Markdown with front matter: strict, with all faults at once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from luthier.core.errors import Fault, RecipeError
from luthier.prompts.sections import ExamplesSection, PromptFile
from luthier.recipe.faults import faults_of
from luthier.recipe.yaml_text import NotYamlError, read_yaml

_FRONT_MATTER = re.compile(r"\A---[ \t]*\r?\n(.*?)^---[ \t]*$\r?\n?", re.DOTALL | re.MULTILINE)
_BRACES = "a value that begins with {{ needs quotes in YAML: '{{ field }}'"


def load_prompt(path: Path) -> PromptFile:
    """Read and check a prompt file.

    Args:
        path: ``.yaml`` or ``.yml``, or ``.md``: keys between two lines of ``---``, then the template.

    Raises:
        RecipeError: The file is missing, is not YAML, or has faults; all are listed.
    """
    values, lines, faults = _values(path)
    values = {"name": path.stem, **values}
    try:
        prompt = PromptFile.model_validate(values)
    except ValidationError as error:
        found = faults_of(error, lines, (), root=PromptFile)
        raise RecipeError([*faults, *map(_with_braces, found)], source=str(path)) from error
    if faults := [*faults, *_faults(prompt, set(lines), lines)]:
        raise RecipeError(faults, source=str(path))
    return prompt


def _values(path: Path) -> tuple[dict[str, Any], dict[str, int], list[Fault]]:
    """Return the values of a file, the line of each path, and keys that stand twice."""
    text = _text_of(path)
    body = None
    if path.suffix.lower() == ".md":
        found = _FRONT_MATTER.match(text)
        if found is None:
            cure = "begin with a line ---, the keys, a line ---, and the template after it"
            raise RecipeError([Fault("", "has no front matter", cure)], source=str(path))
        body = text[found.end() :].strip("\r\n")
        text = "\n" + found[1]  # so that the lines have the numbers of the file
    elif path.suffix.lower() not in (".yaml", ".yml"):
        problem = f"is of no known kind: {path.suffix or 'no suffix'}"
        raise RecipeError([Fault("", problem, "a prompt is a .yaml or .md file")], source=str(path))
    try:
        values, lines, faults = read_yaml(text)
    except NotYamlError as error:
        raise RecipeError([Fault("", f"not valid YAML: {error}", _BRACES)], source=str(path)) from error
    values = {} if values is None and body is not None else values
    if not isinstance(values, dict):
        what = "empty" if values is None else f"a {type(values).__name__}"
        raise RecipeError(
            [Fault("", f"a prompt is a mapping of keys to values, this is {what}")], source=str(path)
        )
    if body is not None:
        if "template" in values:
            cure = "keep the text below the front matter"
            faults.append(Fault("template", "stands twice: in the front matter and below", cure))
        values = {**values, "template": body}
    return values, lines, faults


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        cure = "`luthier prompt init` lists the shipped prompts and copies one"
        raise RecipeError([Fault("", f"no file at {path}", cure)]) from error
    except (UnicodeDecodeError, OSError) as error:
        raise RecipeError([Fault("", f"not a UTF-8 text file: {error}")], source=str(path)) from error


def _with_braces(fault: Fault) -> Fault:
    """Name the cure where YAML took a variable for a mapping."""
    is_mapping = fault.problem.startswith("{") and "string" in fault.problem
    return Fault(fault.path, fault.problem, _BRACES, fault.line) if is_mapping else fault


def _faults(prompt: PromptFile, written: set[str], lines: Mapping[str, int]) -> Iterator[Fault]:
    """Yield what cannot take effect beside other keys."""
    for path, problem, cure in (*_of_answers(prompt, written), *_of_examples(prompt.examples, written)):
        yield Fault(path, problem, cure, lines.get(path))


_Found = Iterator[tuple[str, str, str | None]]


def _of_answers(prompt: PromptFile, written: set[str]) -> _Found:
    ways = [key for key in ("choices", "choices_in_row", "choices_from") if getattr(prompt, key)]
    if len(ways) > 1:
        yield ways[1], f"stands beside {ways[0]}", "keep one of them"
    if twice := [c for n, c in enumerate(prompt.choices) if c in prompt.choices[:n]]:
        yield "choices", f"names {twice[0]!r} twice", "delete one"
    if len(prompt.choices) == 1:
        yield "choices", "holds one answer, so there is nothing to choose", None
    if prompt.format == "text" and prompt.system is not None:
        yield "system", "has no effect with format: text", "write it into the template"
    extract = prompt.extract
    if prompt.reasoning and extract is None:
        cure = "e.g. extract: {after: 'Answer:'}"
        yield "reasoning", "needs a rule by which the answer is found after the thoughts", cure
    if extract is not None:
        if extract.pattern is None and extract.after is None and not extract.last_number:
            yield "extract", "names no rule", "after, pattern or last_number"
        if extract.pattern is not None:
            if extract.after is not None:
                yield "extract.after", "has no effect beside pattern", "keep one of them"
            yield from _of_pattern(extract.pattern)
    if prompt.examples is None and "too_long" in written and prompt.too_long == "fewer_examples":
        yield "too_long", "has no effect without examples", "delete it"


def _of_pattern(pattern: str) -> _Found:
    try:
        groups = re.compile(pattern).groups
    except re.error as error:
        yield "extract.pattern", f"is no regular expression: {error}", None
    else:
        if not groups:
            yield "extract.pattern", "has no group", "put parentheses around the answer"


def _of_examples(examples: ExamplesSection | None, written: set[str]) -> _Found:
    if examples is None:
        return
    if (examples.pool is None) == (not examples.rows):
        yield "examples", "needs either a pool or rows of its own", "pool: FILE"
    is_fixed, compares = examples.select == "fixed", examples.select in ("similar", "diverse")
    if is_fixed and examples.pool and not examples.numbers:
        yield "examples.numbers", "is required with select: fixed and a pool", "e.g. numbers: [3, 17]"
    if not is_fixed and examples.count is None:
        yield "examples.count", f"is required with select: {examples.select}", "e.g. count: 5"
    takes_effect = {
        "count": not is_fixed,
        "numbers": is_fixed and examples.pool is not None,
        "by": compares,
        "encoder": compares,
        "relevance": examples.select == "diverse",
        "seed": examples.select == "random",
        "template": examples.written_as == "text",
        "separator": examples.written_as == "text",
    }
    for key, has_effect in takes_effect.items():
        if f"examples.{key}" in written and not has_effect:
            beside = f"select: {examples.select}, written_as: {examples.written_as}"
            yield f"examples.{key}", f"has no effect with {beside}", "delete it"
    if examples.written_as == "text" and examples.template is None:
        cure = "e.g. template: 'Question: {{ question }}\\nAnswer: {{ example_answer }}'"
        yield "examples.template", "is required with written_as: text", cure
