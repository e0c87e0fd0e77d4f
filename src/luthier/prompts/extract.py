"""Extraction: the answer itself, out of what a model says."""

from __future__ import annotations

import re

from luthier.prompts.sections import ExtractSection

_NUMBER = re.compile(r"[-−]?\d[\d,]*(?:\.\d+)?")


def extract(said: str, rule: ExtractSection | None) -> str | None:
    """Return the answer in what a model says, without white space around it; None where the rule finds nothing.

    Args:
        said: All of it.
        rule: None takes the whole.
    """
    if rule is None:
        return said.strip()
    text: str | None = said
    if rule.pattern is not None:
        found = list(re.finditer(rule.pattern, said))
        text = found[-1][1] if found else None
    elif rule.after is not None:
        _, mark, rest = said.rpartition(rule.after)
        text = rest.strip().split("\n")[0] if mark else None
    if text is not None and rule.last_number:
        text = last_number(text)
    return text.strip() if text is not None else None


def reference_of(reference: str, rule: ExtractSection | None) -> str:
    """Return a right answer in the spelling that `extract` gives: a number without separators."""
    if rule is not None and rule.last_number:
        return last_number(reference) or reference
    return reference


def last_number(text: str) -> str | None:
    """Return the last number of a text in one spelling: 1,200.0 and 1200 are equal."""
    found = _NUMBER.findall(text)
    if not found:
        return None
    number = found[-1].replace(",", "").replace("−", "-")
    return number.rstrip("0").rstrip(".") if "." in number else number
