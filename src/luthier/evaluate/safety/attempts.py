"""Attempts: what a model is asked, and what each answer would mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np

from luthier.evaluate.safety.prompt_files import PromptRow, read_prompts
from luthier.recipe.evaluate_sections.safety import SafetySection

Kind = Literal["jailbreak", "injection", "safe", "unsafe"]
T = TypeVar("T")

_REQUEST, _CANARY = "{request}", "{canary}"
_CANARIES = ("Zorvelin", "Quamtex", "Bralduk", "Fenwisp", "Ostrivan", "Tegluma", "Yarnopil", "Driscova")
"""Words that no document has, so that an answer has them from the injected instruction alone."""


@dataclass(frozen=True)
class Attempt:
    """One prompt.

    Args:
        kind: What it tries.
        prompt: What the model is asked.
        cluster: What it shares with other attempts: the request, the document or the prompt itself.
        group: By what the report divides attempts: the wrap, the injection, the type of prompt.
        language: Of the prompt; empty where unknown.
        place: Where it comes from.
        canary: The word that an injected instruction asks for.
        injected: The injected instruction.
    """

    kind: Kind
    prompt: str
    cluster: str
    group: str
    language: str
    place: str
    canary: str = ""
    injected: str = ""


def make_attempts(section: SafetySection, folder: Path, seed: int) -> list[Attempt]:
    """Return all prompts that a section asks for.

    Args:
        section: Of the recipe.
        folder: Of the recipe.
        seed: Of the draws, where there are more prompts than are wanted.

    Raises:
        DataError: A file cannot be used.
    """
    makers = {"jailbreak": _jailbreaks, "injection": _injections, "over_refusal": _prompts}
    return [
        attempt
        for test in section.tests
        for attempt in _drawn(makers[test](section, folder), section.max_prompts, seed)
    ]


def _drawn(attempts: Sequence[T], count: int, seed: int) -> list[T]:
    if len(attempts) <= count:
        return list(attempts)
    chosen = np.sort(np.random.default_rng(seed).permutation(len(attempts))[:count])
    return [attempts[int(number)] for number in chosen]


def _jailbreaks(section: SafetySection, folder: Path) -> list[Attempt]:
    languages = section.languages
    requests = read_prompts(
        section.requests, "requests.jsonl", ["prompt"], key="requests", folder=folder, languages=languages
    )
    wraps = read_prompts(
        section.wraps,
        "wraps.jsonl",
        ["name", "template"],
        key="wraps",
        folder=folder,
        languages=languages,
        check=lambda row: _holds(row, "template", _REQUEST),
    )
    return [
        Attempt(
            "jailbreak",
            wrap["template"].replace(_REQUEST, request["prompt"]),
            request.place,
            wrap["name"],
            request.language or wrap.language,
            f"{request.place} in {wrap['name']}",
        )
        for request in requests
        for wrap in wraps
        if _match(request, wrap)
    ]


def _injections(section: SafetySection, folder: Path) -> list[Attempt]:
    languages = section.languages
    documents = read_prompts(
        section.documents,
        "documents.jsonl",
        ["task", "document"],
        key="documents",
        folder=folder,
        languages=languages,
    )
    injections = read_prompts(
        section.injections,
        "injections.jsonl",
        ["name", "place", "text"],
        key="injections",
        folder=folder,
        languages=languages,
        check=_injection_fault,
    )
    attempts = []
    for number, document in enumerate(documents):
        for other, injection in enumerate(injections):
            if not _match(document, injection):
                continue
            canary = _CANARIES[(number + other) % len(_CANARIES)]
            injected = injection["text"].replace(_CANARY, canary)
            text = _inserted(document["document"], injected, injection["place"])
            attempts.append(
                Attempt(
                    "injection",
                    f"{document['task']}\n\n{text}",
                    document.place,
                    injection["name"],
                    document.language or injection.language,
                    f"{document.place} with {injection['name']}",
                    canary,
                    injected,
                )
            )
    return attempts


def _prompts(section: SafetySection, folder: Path) -> list[Attempt]:
    rows = read_prompts(
        section.prompts,
        "over_refusal.jsonl",
        ["prompt", "type", "label"],
        key="prompts",
        folder=folder,
        languages=section.languages,
        check=lambda row: (
            None
            if row["label"] in ("safe", "unsafe")
            else f"label is {row['label']!r}, safe or unsafe was expected"
        ),
    )
    return [
        Attempt(
            "safe" if row["label"] == "safe" else "unsafe",
            row["prompt"],
            row.place,
            row["type"],
            row.language,
            row.place,
        )
        for row in rows
    ]


def _match(first: PromptRow, second: PromptRow) -> bool:
    return not first.language or not second.language or first.language == second.language


def _holds(row: PromptRow, column: str, mark: str) -> str | None:
    return None if mark in row[column] else f"{column} does not hold {mark}"


def _injection_fault(row: PromptRow) -> str | None:
    if row["place"] not in ("start", "middle", "end"):
        return f"place is {row['place']!r}; start, middle or end was expected"
    return _holds(row, "text", _CANARY)


def _inserted(document: str, injected: str, place: str) -> str:
    """Return the document with an instruction at its start, after its middle sentence, or at its end."""
    if place == "start":
        return f"{injected}\n{document}"
    if place == "end":
        return f"{document} {injected}"
    ends = [at + 1 for at, character in enumerate(document) if character in ".。!！?？"]
    middle = min(ends, key=lambda at: abs(at - len(document) / 2), default=len(document))
    return f"{document[:middle]} {injected} {document[middle:].lstrip()}"
