"""What is done to a finding: reported, masked, masked in part, replaced by a substitute, or its row dropped."""

from __future__ import annotations

from typing import Literal, get_args

from luthier.data.pii.finding import Finding

Action = Literal["report", "mask", "partial", "pseudonymise", "drop"]
ACTIONS: tuple[Action, ...] = get_args(Action)


def label(kind: str) -> str:
    """Return what a masked finding is replaced by: ``[BANK_CARD]``."""
    return f"[{kind.upper()}]"


def partly_masked(finding: Finding) -> str:
    """Return a finding with its middle starred: enough to recognise it by for one who knows it.

    At most a quarter of the letters and digits stay, of a name the first character, of a secret none.
    """
    text = finding.text
    if finding.kind == "secret":
        return "*" * 8
    if finding.kind == "email":
        local, _, domain = text.rpartition("@")
        return f"{local[:1] if len(local) > 3 else ''}***@{domain}"
    if finding.kind == "name":
        return text[0] + "*" * (len(text) - 1)
    if finding.kind == "address":
        return text[:2] + "*" * (len(text) - 2)
    places = [place for place, character in enumerate(text) if character.isalnum()]
    num_shown = len(places) // 4
    num_last = num_shown // 2
    hidden = places[num_shown - num_last : len(places) - num_last]
    characters = list(text)
    for place in hidden:
        characters[place] = "*"
    return "".join(characters)
