"""Answer: what a model said to a prompt, or how probable it finds each choice, and what that took."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol, Self

from luthier.prompts.fit import CountsTokens
from luthier.prompts.prompt import Rendered
from luthier.prompts.sections import PromptFile


@dataclass(frozen=True)
class Answer:
    """What came back for one row.

    Args:
        said: All that the model said; empty where choices were measured.
        finish_reason: ``stop``, or ``length`` where the answer was cut off.
        log_likelihoods: Of each choice, in nats; empty where an answer was generated.
        choice_tokens: Tokens of each choice.
        prompt_tokens: Of the prompt; None where a server does not say.
        new_tokens: Of the answer, or of all choices together.
        seconds: Its share of the time.
    """

    said: str
    finish_reason: str
    log_likelihoods: tuple[float, ...]
    choice_tokens: tuple[int, ...]
    prompt_tokens: int | None
    new_tokens: int | None
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """Return what is kept of it."""
        return asdict(self)

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> Self:
        """Return what was kept."""
        lists = {name: tuple(kept[name]) for name in ("log_likelihoods", "choice_tokens")}
        return cls(**{**kept, **lists})


class Asked(CountsTokens, Protocol):
    """A model that can be asked.

    Attributes:
        name: For people.
        identity: Changes where its answers may.
        measures_choices: Whether it can tell how probable a choice is.
    """

    name: str
    identity: str
    measures_choices: bool

    def generate(self, rendered: Sequence[Rendered], file: PromptFile) -> Iterator[list[tuple[int, Answer]]]:
        """Yield answers with the number of their question, a batch at a time."""

    def choose(self, rendered: Sequence[Rendered], file: PromptFile) -> Iterator[list[tuple[int, Answer]]]:
        """Yield how probable each choice is, likewise."""
