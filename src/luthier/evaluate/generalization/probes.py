"""Probes: what is measured on a model, the same on the tuned one and on its base, each loaded once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from luthier.data.example import Example
from luthier.evaluate.answers import rouge_l
from luthier.evaluate.examination import HeldOut, Subject
from luthier.evaluate.generalization.ability import ability_measure, general_rows
from luthier.evaluate.generalization.domains import row_encoder
from luthier.evaluate.generalization.shots import ShotRows, shot_rows
from luthier.evaluate.measured import loss_measure, measures_of, ratio
from luthier.models.chat_model import ChatModel
from luthier.models.generate import Sampling
from luthier.objectives.contract import Measure
from luthier.objectives.language_modeling import LanguageModeling
from luthier.recipe.evaluate_sections.generalization import GeneralizationSection, text_name

_MOST_TOKENS = 4096
_ANSWER_TOKENS = 128

Key = tuple[str, str]
"""Kind of the probe (``domain``, ``shot``, ``answers``, ``ability``) and its name."""
Probe = Callable[[Any], list[Measure]]


@dataclass(frozen=True)
class Measured:
    """What the probes found on the model, and on its base where that is known.

    Args:
        tuned: Measures by probe.
        base: Likewise; None where nobody knows the base.
    """

    tuned: Mapping[Key, Sequence[Measure]]
    base: Mapping[Key, Sequence[Measure]] | None

    def pair(self, key: Key, name: str) -> tuple[Measure, Measure | None]:
        """Return one measure of a probe, of the model and of its base."""
        tuned = next(each for each in self.tuned[key] if each.name == name)
        if self.base is None:
            return tuned, None
        return tuned, next(each for each in self.base[key] if each.name == name)


def domain_probes(domains: Mapping[str, HeldOut], subject: Subject) -> dict[Key, Probe]:
    """Return the probes of sets of rows."""

    def probe(held_out: HeldOut) -> Probe:
        return lambda model: measures_of(model, subject, held_out)

    return {("domain", name): probe(held_out) for name, held_out in domains.items()}


def shot_probes(rows: ShotRows, subject: Subject, num_answers: int) -> dict[Key, Probe]:
    """Return the probes of questions with examples before them."""
    plain = plain_objective(subject)

    def loss(examples: Sequence[Example]) -> Probe:
        return lambda model: [loss_measure(model, plain, examples, subject.dtype)]

    def answers(prompts: Sequence[Sequence[int]]) -> Probe:
        return lambda model: [_answered(model, subject, prompts[:num_answers], rows.references)]

    probes = {("shot", str(count)): loss(examples) for count, examples in rows.rows.items()}
    if num_answers:
        probes |= {("answers", str(count)): answers(prompts) for count, prompts in rows.prompts.items()}
    return probes


def chosen_shots(section: GeneralizationSection, subject: Subject, model: Any) -> ShotRows:
    """Return the questions of the recipe's shots, and of none, with which they are compared."""
    assert subject.template is not None and subject.trained is not None
    return shot_rows(
        subject.held_out.samples,
        subject.trained.samples,
        subject.template,
        sorted({0, *section.shots}),
        most=section.shot_rows,
        max_tokens=_max_tokens(model),
        seed=subject.how.seed,
    )


def ability_probes(texts: Sequence[str], subject: Subject, model: Any, most: int) -> dict[Key, Probe]:
    """Return the probes of general texts."""
    plain = plain_objective(subject)

    def probe(rows: Sequence[Example]) -> Probe:
        return lambda model: [ability_measure(model, plain, rows, subject.dtype)]

    folder, limit = subject.recipe_folder, _max_tokens(model)
    return {
        ("ability", text_name(text)): probe(general_rows(text, folder, subject.tokenizer, limit, most))
        for text in texts
    }


def plain_objective(subject: Subject) -> LanguageModeling:
    """Return next-token loss for rows that belong to no task."""
    pad = subject.tokenizer.pad_token_id
    return LanguageModeling(row_encoder(subject), packing=True, pad_token_id=0 if pad is None else pad)


def _max_tokens(model: Any) -> int:
    return min(int(model.config.max_position_embeddings), _MOST_TOKENS)


def _answered(
    model: Any, subject: Subject, prompts: Sequence[Sequence[int]], references: Sequence[str]
) -> Measure:
    chat = ChatModel(model, subject.tokenizer, subject.template)
    answers = chat.answers(prompts, Sampling(max_new_tokens=_ANSWER_TOKENS))
    scores = [rouge_l(a.strip(), reference) for a, reference in zip(answers, references, strict=False)]
    figures_N2 = np.stack([np.array(scores), np.ones(len(scores))], axis=1)
    return Measure("rouge_l", "ROUGE-L", figures_N2, ratio)
