"""What an evaluation is asked: of which model, compared with which, and where the answer goes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from luthier.core.events import EventLog
from luthier.evaluate.examination import Subject
from luthier.evaluate.same_text import BaseSide
from luthier.recipe.evaluate_sections.evaluate import EvaluateSection
from luthier.recipe.evaluate_sections.gate import Gate


@dataclass(frozen=True)
class Partner:
    """A model that the subject is compared with.

    Args:
        name: For people and gates: ``base``, ``champion``, or what the user calls it.
        load: Returns the model, in evaluation mode.
        side: How it reads the held-out rows, where its tokenizer or template is another one.
    """

    name: str
    load: Callable[[], Any]
    side: BaseSide | None = None


@dataclass(frozen=True)
class Champion:
    """The registered version that gates compare with.

    Args:
        uri: ``models:/NAME/3``; empty where there is none.
        partner: How it is loaded and reads; None where there is none, or where it cannot be compared.
        why_none: Why there is none.
        is_absent: Whether no version has the alias, which a gate may allow.
        trained_alike: Whether it was trained on the same rows as the subject, which hashes prove.
    """

    uri: str = ""
    partner: Partner | None = None
    why_none: str = ""
    is_absent: bool = False
    trained_alike: bool = False


@dataclass(frozen=True)
class Asked:
    """What the recipe asks of a model.

    Args:
        subject: The model, and what is known about it.
        settings: The recipe's evaluate section.
        gates: The recipe's gates.
        story: What the report tells besides: run, data, training.
        folder: Gets the report.
        fingerprint: Of the evaluate stage.
        events: Told about the progress.
        champion: For gates relative to it; None where there is no such gate.
    """

    subject: Subject
    settings: EvaluateSection
    gates: Sequence[Gate]
    story: Mapping[str, Any]
    folder: Path
    fingerprint: str
    events: EventLog
    champion: Champion | None = None
