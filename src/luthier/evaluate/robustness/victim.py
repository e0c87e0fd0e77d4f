"""What is attacked: something that says something about a row, right or wrong, with a loss that shows how nearly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from luthier.data.sample import Sample


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a model says about a row.

    Args:
        said: The class, the classes, or the answer that it chooses; for people, and to be compared.
        is_right: Whether the row says the same.
        loss: How bad the model finds what is right; an attack raises it.
    """

    said: str
    is_right: bool
    loss: float


class Victim(Protocol):
    """A model as an attacker meets it."""

    def ask(self, samples: Sequence[Sample]) -> list[Verdict | None]:
        """Return what the model says about rows; None for one that it cannot read, e.g. as it is too long.

        Each row is one query.
        """

    def text_of(self, sample: Sample) -> str:
        """Return the text of a row that an attacker writes."""

    def with_text(self, sample: Sample, text: str) -> Sample:
        """Return the row with another text in that place; what is right stays."""

    def wrong_answers(self, sample: Sample) -> Sequence[str]:
        """Return what an attacker may want the model to say instead."""
