"""The examination of memorisation: extraction, membership and canaries, tuned model against base and held-out rows."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from luthier.core.errors import DataError
from luthier.evaluate.examination import Examined, Subject
from luthier.evaluate.loss import row_losses
from luthier.evaluate.memorization.canaries import CanaryResult, canary_rows, exposures
from luthier.evaluate.memorization.evidence import Asked, Drawn, Evidence, draw, measure
from luthier.evaluate.memorization.extraction import verbatim
from luthier.evaluate.memorization.found import Extraction, Found
from luthier.evaluate.memorization.membership import AttackResult, Values, attack_scores, run_attacks
from luthier.evaluate.memorization.telling import tell_all
from luthier.recipe.evaluate_sections.memorization import MemorizationSection

_UNKNOWN = "the rows that this model was trained on are unknown"


@dataclass(frozen=True)
class Memorization:
    """Examines whether a model gives away its training rows.

    Args:
        section: Of the recipe.
    """

    section: MemorizationSection

    def examine(self, subject: Subject) -> Examined:
        """Examine a model.

        Raises:
            DataError: Neither training rows nor canaries are known, or a canary cannot be a row.
        """
        section = self.section
        if subject.trained is None and not section.canaries:
            cure = "examine it in the run that trained it, or name canaries that were trained"
            raise DataError(_UNKNOWN, where="evaluate.memorization", cure=cure)
        if subject.objective.head is not None:
            if section.canaries:
                problem = "a model with a head writes no text, so a canary cannot be ranked"
                where = "evaluate.memorization.canaries"
                raise DataError(problem, where=where, cure="leave canaries out")
            return tell_all(section, self._of_task(subject), subject)
        return tell_all(section, self._of_text(subject), subject)

    def _of_task(self, subject: Subject) -> Found:
        """Membership alone: a head gives no text away."""
        assert subject.trained is not None
        seed, count = subject.how.seed, self.section.num_rows
        members = draw(subject.trained.rows, count, 0, seed)
        others = draw(subject.held_out.rows, count, 0, seed)
        _check_drawn(members, others)
        model, total = subject.load(), len(members.rows) + len(others.rows)

        def scored(drawn: Drawn, before: int) -> dict[str, Values]:
            losses = row_losses(
                model,
                subject.objective,
                drawn.rows,
                dtype=subject.dtype,
                on_progress=partial(_tell_from, subject, before, total),
            )
            return {"loss": -losses.sums / losses.counts}

        scores = scored(members, 0), scored(others, len(members.rows))
        attacks = run_attacks(scores[0], scores[1], self.section.fpr, subject.how)
        why = "a model with a head writes no text"
        return Found(attacks, None, members, others, why_not_extracted=why)

    def _of_text(self, subject: Subject) -> Found:
        asked = self._asked(subject)
        tuned, base = self._both(subject, asked)
        canaries: list[CanaryResult] = []
        if self.section.canaries:
            of_base = base.canaries if base else None
            canaries = exposures(subject, self.section.canaries, tuned.canaries, of_base)
        if subject.trained is None:
            return Found([], None, asked.members, asked.others, canaries, _UNKNOWN, _UNKNOWN)
        attacks, control = self._attacks(subject, asked, tuned, base)
        extraction, why = self._extraction(asked, tuned, base)
        return Found(
            attacks,
            control,
            asked.members,
            asked.others,
            canaries,
            why_not_extracted=why,
            extraction=extraction,
        )

    def _asked(self, subject: Subject) -> Asked:
        section, seed = self.section, subject.how.seed
        longest = max(section.prefix_tokens)
        needed = longest + section.continuation_tokens
        none = Drawn([], [])
        members, others = none, none
        if subject.trained is not None:
            members = draw(subject.trained.rows, section.num_rows, needed, seed)
            others = draw(subject.held_out.rows, section.num_rows, needed, seed)
            _check_drawn(members, others)
        canaries = [
            canary_rows(subject, canary, number, section.num_alternatives)
            for number, canary in enumerate(section.canaries)
        ]
        return Asked(members, others, canaries, max(longest, 1 if subject.template is None else 0),
                     section.continuation_tokens)  # fmt: skip

    def _both(self, subject: Subject, asked: Asked) -> tuple[Evidence, Evidence | None]:
        """Measure both models, one after the other, so that only one is in memory."""
        own, of_base = asked.cost(is_base=False), asked.cost(is_base=True)
        total = own + (of_base if subject.load_base else 0)
        model = subject.load()
        tuned = measure(model, subject, asked, is_base=False, tell=lambda n: subject.tell(n, total))
        del model
        gc.collect()
        if subject.load_base is None:
            return tuned, None
        base = subject.load_base()
        if not _reads(base, asked):
            return tuned, None
        tell = partial(_tell_from, subject, own, total)
        return tuned, measure(base, subject, asked, is_base=True, tell=tell)

    def _attacks(
        self, subject: Subject, asked: Asked, tuned: Evidence, base: Evidence | None
    ) -> tuple[list[AttackResult], list[AttackResult] | None]:
        """Return the attacks on the tuned model, and on the base, which cannot know members: the control."""
        texts = [drawn.texts(subject.tokenizer) for drawn in (asked.members, asked.others)]
        members = attack_scores(tuned.members, texts[0], base.members if base else None)
        others = attack_scores(tuned.others, texts[1], base.others if base else None)
        attacks = run_attacks(members, others, self.section.fpr, subject.how)
        if base is None:
            return attacks, None
        of_members = attack_scores(base.members, texts[0], None)
        of_others = attack_scores(base.others, texts[1], None)
        return attacks, run_attacks(of_members, of_others, self.section.fpr, subject.how)

    def _extraction(
        self, asked: Asked, tuned: Evidence, base: Evidence | None
    ) -> tuple[Extraction | None, str]:
        section = self.section
        members, others = asked.members.passages, asked.others.passages
        needed = max(section.prefix_tokens) + section.continuation_tokens
        for passages, kind in ((members, "training"), (others, "held-out")):
            if not passages:
                return None, f"no {kind} row that was drawn has {needed} tokens after its prompt"
        has_prompts = all(passage.start for passage in (*members, *others))
        prefixes = sorted({length for length in section.prefix_tokens if length or has_prompts})
        if not prefixes:
            return None, "rows without a prompt cannot be continued from 0 tokens"
        length = section.continuation_tokens
        hits = {
            prefix: (
                verbatim(members, tuned.members, prefix, length),
                verbatim(others, tuned.others, prefix, length),
                verbatim(members, base.members, prefix, length) if base else None,
            )
            for prefix in prefixes
        }
        near = (
            tuned.near_members >= section.near - 1e-9,
            tuned.near_others >= section.near - 1e-9,
            base.near_members >= section.near - 1e-9 if base else None,
        )
        return Extraction(hits, near), ""


def _check_drawn(members: Drawn, others: Drawn) -> None:
    for drawn, kind in ((members, "training"), (others, "held-out")):
        if len(drawn.rows) < 2:
            problem = f"two {kind} rows with labels are needed to compare losses, {len(drawn.rows)} found"
            cure = "data.eval.split: 0.1" if kind == "held-out" else "check data.train"
            raise DataError(problem, where="evaluate.memorization", cure=cure)


def _reads(base: Any, asked: Asked) -> bool:
    """Whether the base has embeddings of all tokens: not where the recipe's vocabulary adds some."""
    rows = [*asked.members.rows, *asked.others.rows, *(row for rows in asked.canaries for row in rows)]
    return max(int(np.max(row.input_ids)) for row in rows) < base.get_input_embeddings().weight.shape[0]


def _tell_from(subject: Subject, before: int, total: int, done: int) -> None:
    subject.tell(before + done, total)
