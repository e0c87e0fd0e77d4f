"""All attacks on one model, each on the rows that the model has right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from luthier.core.errors import DataError
from luthier.data.augment.gate import DriftGate
from luthier.data.example import Example
from luthier.data.sample import Sample
from luthier.evaluate.robustness.classifier import ClassifierVictim
from luthier.evaluate.robustness.embedding_attack import Ball, Moved, fgsm, pgd
from luthier.evaluate.robustness.hotflip import HotFlip
from luthier.evaluate.robustness.outcome import Outcome
from luthier.evaluate.robustness.proposals import proposer_of, synonyms_of
from luthier.evaluate.robustness.search import Attacked, Broken, Budget, Proposer, attack
from luthier.evaluate.robustness.stability import changes_of, measure_stability
from luthier.evaluate.robustness.victim import Verdict, Victim
from luthier.models.embed import Embedder
from luthier.recipe.evaluate_sections.robustness import EMBEDDING_ATTACKS, RobustnessSection

_Row = tuple[Sample, Verdict]


@dataclass(frozen=True)
class Attacks:
    """The attacks that a recipe asks for.

    Args:
        section: Of the recipe.
        tokenizer: Of the model.
        seed: Makes every choice.
        folder: Where the path of a synonym file starts.
    """

    section: RobustnessSection
    tokenizer: Any
    seed: int
    folder: Path = Path()

    def on(
        self, victim: Victim, samples: Sequence[Sample], tell: Callable[[int], None] = lambda done: None
    ) -> Outcome:
        """Attack a model.

        Args:
            victim: The model.
            samples: Rows; those that it cannot read are left out.
            tell: Told how many parts are done: the clean answers, the stability, and each attack.

        Raises:
            DataError: No row can be read, or there is no synonym to be found anywhere.
        """
        known = self._known(victim, samples)
        tell(1)
        synonyms = synonyms_of(self.section, self.folder) if "synonyms" in self.section.attacks else None
        stability = measure_stability(victim, known, changes_of(synonyms), seed=self.seed)
        tell(2)
        right = [number for number, (_, verdict) in enumerate(known) if verdict.is_right]
        rows = [known[number] for number in right]
        attacks: dict[str, dict[int, Attacked]] = {}
        notes: dict[str, dict[str, float]] = {}
        for done, name in enumerate(self.section.attacks, start=3):
            if name in EMBEDDING_ATTACKS:
                found, notes[name] = self._move(victim, name, rows)
            else:
                found = self._search(victim, name, rows)
            attacks[name] = dict(zip(right, found, strict=True))
            tell(done)
        asked = [sample for sample, _ in known]
        texts = [victim.text_of(sample) for sample in asked]
        return Outcome(asked, texts, [verdict for _, verdict in known], attacks, stability, notes)

    def _known(self, victim: Victim, samples: Sequence[Sample]) -> list[_Row]:
        """Return the rows that the model can read, each with what it says."""
        verdicts = victim.ask(samples)
        known = [(s, verdict) for s, verdict in zip(samples, verdicts, strict=True) if verdict is not None]
        if not known:
            raise DataError(
                f"none of the {len(samples)} held-out rows that were chosen can be asked: they have no question with "
                "an answer, or are too long for the model",
                where="evaluate.robustness",
                cure="hold out rows with a question and an answer that fit into the model",
            )
        return known

    def _search(self, victim: Victim, name: str, rows: Sequence[_Row]) -> list[Attacked]:
        section = self.section
        proposer: Proposer
        if name == "hotflip":
            assert isinstance(victim, ClassifierVictim)
            proposer = HotFlip(victim, self.tokenizer)
        else:
            proposer = proposer_of(name, section, victim, self.folder)
        embed = self._embedder(section.embedder) if section.embedder is not None else None
        gate = DriftGate(section.min_similarity, section.max_edit_distance, embed)
        budget = Budget(section.queries, section.max_edits)
        return attack(victim, rows, proposer, budget, gate=gate, name=name, seed=self.seed)

    def _embedder(self, name: str) -> Embedder:
        """Return what measures similarity; a folder may stand beside the recipe."""
        beside = self.folder / name
        return Embedder(str(beside) if beside.is_dir() else name)

    def _move(
        self, victim: Victim, name: str, rows: Sequence[_Row]
    ) -> tuple[list[Attacked], dict[str, float]]:
        """Attack embeddings, and tell how far they were moved."""
        assert isinstance(victim, ClassifierVictim)
        section = self.section
        encoded: list[Example] = []
        for sample, _ in rows:
            example = victim.encode(sample)
            assert example is not None, "rows that cannot be read have no verdict"
            encoded.append(example)
        ball, special = Ball(section.norm, section.epsilon), self.tokenizer.all_special_ids
        if name == "fgsm":
            moved, steps = fgsm(victim, encoded, ball, special), 1
        else:
            steps = section.pgd_steps
            moved = pgd(victim, encoded, ball, special, steps=steps, step_size=section.pgd_step_size)
        largest = max((each.largest_change for each in moved), default=0.0)
        return [_as_attacked(each, steps) for each in moved], {"largest_change_by_radius": largest}


def _as_attacked(moved: Moved, steps: int) -> Attacked:
    """Return a change of embeddings as the outcome of an attack: each step asks for a gradient and an answer."""
    asked = 2 * (steps if moved.num_steps is None else moved.num_steps)
    broken = None if moved.num_steps is None else Broken("", moved.verdict)
    return Attacked(asked, True, broken)
