"""The examination of robustness: attacks on the rows that a model has right, and its stability under small changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from luthier.core.errors import DataError
from luthier.data.sample import Sample
from luthier.evaluate.examination import Examined, Subject
from luthier.evaluate.robustness.attacks import Attacks
from luthier.evaluate.robustness.choice import ChoiceVictim
from luthier.evaluate.robustness.classifier import ClassifierVictim
from luthier.evaluate.robustness.figures import figures_of
from luthier.evaluate.robustness.outcome import Outcome
from luthier.evaluate.robustness.told import details, findings, pictures, tables
from luthier.evaluate.robustness.victim import Victim
from luthier.objectives.classification.objective import Classification
from luthier.recipe.evaluate_sections.robustness import (
    GRADIENT_ATTACKS,
    TEXT_ATTACKS,
    RobustnessSection,
)

TITLE = "Robustness"
_GOLDEN = 0.6180339887


@dataclass(frozen=True)
class RobustnessExamination:
    """Attacks a model.

    Args:
        section: Of the recipe.
    """

    section: RobustnessSection

    def examine(self, subject: Subject) -> Examined:
        """Attack the model, and what it was tuned from where that is known.

        Raises:
            DataError: The model says nothing that an attack could make wrong, no row can be read, or an attack needs
                gradients that the objective does not offer.
        """
        self._check(subject)
        samples = _spread(subject.held_out.samples, self.section.num_rows)
        loads = [load for load in (subject.load_base, subject.load) if load is not None]
        parts = 2 + len(self.section.attacks)
        outcomes: list[Outcome] = []
        for number, load in enumerate(loads):

            def tell(done: int, before: int = number * parts) -> None:
                subject.tell(before + done, len(loads) * parts)

            outcomes.append(self._attacked(load, subject, samples, tell))
        tuned, base = outcomes[-1], outcomes[0] if len(outcomes) > 1 else None
        figures = figures_of(self.section, tuned, base, subject.how)
        return Examined(
            "robustness",
            TITLE,
            figures,
            findings(figures, tuned, self.section),
            pictures(figures, tuned, self.section, subject.how.confidence),
            tables(figures, tuned, self.section, subject.how.confidence),
            details(tuned, base, self.section),
        )

    def _attacked(
        self,
        load: Callable[[], Any],
        subject: Subject,
        samples: Sequence[Sample],
        tell: Callable[[int], None],
    ) -> Outcome:
        """Return what all attacks do to one model, which lives no longer than this."""
        model = load()
        model.eval()
        victim = _victim_of(model, subject)
        attacks = Attacks(self.section, subject.tokenizer, subject.how.seed, subject.recipe_folder)
        return attacks.on(victim, samples, tell)

    def _check(self, subject: Subject) -> None:
        """Refuse what cannot be attacked."""
        is_classifier = isinstance(subject.objective, Classification)
        if not is_classifier and (subject.template is None or subject.objective.head is not None):
            raise DataError(
                "is for classifiers and chat models, whose predictions are right or wrong as a whole",
                where="evaluate.robustness",
                cure="leave it out for this objective",
            )
        gradient = [name for name in self.section.attacks if name in GRADIENT_ATTACKS]
        if gradient and not is_classifier:
            raise DataError(
                f"{', '.join(gradient)}: gradient attacks are for classifiers",
                where="evaluate.robustness.attacks",
                cure=f"choose among {', '.join(TEXT_ATTACKS)}",
            )
        if not len(subject.held_out.samples):
            raise DataError(
                "there are no held-out rows to attack",
                where="evaluate.robustness",
                cure="data.eval.split: 0.1",
            )


def _victim_of(model: Any, subject: Subject) -> Victim:
    if isinstance(subject.objective, Classification):
        return ClassifierVictim(model, subject.objective, subject.dtype)
    assert subject.template is not None
    # Some tokenizers name no longest text, which transformers writes as 10^30.
    longest = min(int(subject.tokenizer.model_max_length), int(model.config.max_position_embeddings))
    return ChoiceVictim(
        model,
        subject.template,
        subject.held_out.samples,
        seed=subject.how.seed,
        max_tokens=longest,
        dtype=subject.dtype,
    )


def _spread(samples: Sequence[Sample], count: int) -> list[Sample]:
    """Return rows spread evenly over all, in their order."""
    spread = sorted(range(len(samples)), key=lambda number: (number * _GOLDEN) % 1.0)
    return [samples[number] for number in sorted(spread[:count])]
