"""The text side of a job: tokenizer, chat template and objective, of the base and of the vocabulary that follows it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from luthier.core.errors import TemplateError
from luthier.core.events import EventLog
from luthier.core.hashing import fingerprint
from luthier.data.lint import lint
from luthier.data.template import ChatTemplate
from luthier.data.tokenizer import load_tokenizer
from luthier.objectives.build import build_objective
from luthier.objectives.contract import Objective
from luthier.plan.resolve import Plan


@dataclass
class TextSide:
    """What turns rows into tokens.

    Args:
        plan: Of the job.
        folder: Of the tokenizer.
        events: Told about notices and warnings; None where they were told before.
    """

    plan: Plan
    folder: Path
    events: EventLog | None

    @cached_property
    def tokenizer(self) -> Any:
        """The folder's tokenizer."""
        return load_tokenizer(self.folder, trust_remote_code=self.plan.recipe.model.trust_remote_code)

    @cached_property
    def template(self) -> ChatTemplate | None:
        """The chat template, linted; None where something else than conversations is trained.

        Raises:
            TemplateError: It cannot be trained and served safely.
        """
        if not self.plan.recipe.objective.is_chat:
            return None
        chosen = self.plan.recipe.data.chat_template
        template = ChatTemplate(self.tokenizer, chosen, folder=self.plan.recipe_folder)
        findings = lint(template)
        if self.events:
            for notice in template.notices:
                self.events.emit("notice", message=notice)
            for finding in findings:
                if finding.level == "warning":
                    self.events.emit("warning", message=f"{finding.problem} ({finding.cure})")
        if errors := [f for f in findings if f.level == "error"]:
            text = "".join(f"\n  {f.code}: {f.problem}\n    → {f.cure}" for f in errors)
            raise TemplateError(f"the chat template cannot be trained and served safely:{text}")
        return template

    @cached_property
    def objective(self) -> Objective:
        """The recipe's objective over this text side."""
        recipe = self.plan.recipe
        text = self.template or self.tokenizer
        return build_objective(recipe.objective, text, recipe.data, packing=recipe.train.packing)

    @cached_property
    def hashes(self) -> dict[str, str]:
        """Hashes of tokenizer and chat template."""
        vocabulary = [sorted(self.tokenizer.get_vocab().items()), str(self.tokenizer.special_tokens_map)]
        template = self.template
        return {
            "tokenizer_hash": fingerprint(vocabulary),
            "template_hash": template.fingerprint if template else "",
        }
