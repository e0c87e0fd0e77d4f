"""Variables of a prompt's texts: each one is filled by something, and what is there to fill is used."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping

from luthier.core.errors import Fault
from luthier.prompts.sections import PromptFile
from luthier.prompts.templates import Template

SLOTS = ("examples", "reasoning", "choices")
"""Variables that a section of the same name fills."""

_ASKING = ("template", "system")


def asking_variables(texts: Mapping[str, Template]) -> frozenset[str]:
    """Return what the texts read that ask a question."""
    return frozenset().union(*(texts[key].variables for key in _ASKING if key in texts))


def check_variables(
    file: PromptFile, texts: Mapping[str, Template], fields: Collection[str], pool_fields: Collection[str]
) -> Iterator[Fault]:
    """Yield variables that nothing fills, things that no text uses, and names that mean two things.

    Args:
        file: The prompt.
        texts: Its texts by key.
        fields: Of the rows.
        pool_fields: Of the rows that examples are taken from.
    """
    filled = {slot for slot in SLOTS if _is_filled(file, slot)}
    yield from _unknown(file, texts, fields, pool_fields, filled)
    yield from _unused(file, texts, fields, filled)
    for slot in sorted(filled & set(fields) & asking_variables(texts)):
        yield Fault(slot, f"the rows have a field {slot}, too", "rename that column")
    if file.examples and "answer" not in texts and "examples.answer" not in texts:
        yield Fault("answer", "is required, since examples show it", "e.g. answer: '{{ label }}'")


def _is_filled(file: PromptFile, slot: str) -> bool:
    if slot == "examples":
        return file.examples is not None and file.examples.written_as == "text"
    return file.reasoning is not None if slot == "reasoning" else file.has_choices


def _unknown(
    file: PromptFile,
    texts: Mapping[str, Template],
    fields: Collection[str],
    pool_fields: Collection[str],
    filled: Collection[str],
) -> Iterator[Fault]:
    for key, text in texts.items():
        if key == "choices_from.text":
            continue  # it reads rows of another file, which name what they lack
        own = pool_fields if key in ("examples.template", "examples.answer") else fields
        known = {*own, *file.values}
        if key in (*_ASKING, "examples.template"):
            known |= set(filled)
        if key == "examples.template":
            known = (known - {"examples"}) | {"example_answer"}
        for name in sorted(text.variables - known):
            if name in SLOTS and name not in filled:
                cure = f"add the section {name}, or delete {{{{ {name} }}}}"
                if name == "examples" and file.examples:
                    cure = "written_as: text, or delete it: turns come before the question"
                yield Fault(key, f"nothing fills the slot {name}", cure)
                continue
            near = difflib.get_close_matches(name, sorted(known), n=1)
            cure = f"did you mean `{near[0]}`?" if near else f"the rows have: {', '.join(own)}"
            yield Fault(key, f"unknown variable {name!r}", cure)


def _unused(
    file: PromptFile, texts: Mapping[str, Template], fields: Collection[str], filled: Collection[str]
) -> Iterator[Fault]:
    asking = asking_variables(texts)
    for slot in ("examples", "reasoning"):
        if slot in filled and slot not in asking:
            yield Fault(slot, "is used by no text", f"write {{{{ {slot} }}}} where it belongs")
    everywhere = frozenset().union(*(text.variables for text in texts.values()))
    for name in file.values:
        if name in fields or name in SLOTS:
            yield Fault(f"values.{name}", f"{name} is also a field of the rows, or a slot", "rename it")
        elif name not in everywhere:
            yield Fault(f"values.{name}", "is used by no text", f"write {{{{ {name} }}}}, or delete it")
