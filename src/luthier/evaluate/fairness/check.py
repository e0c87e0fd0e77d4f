"""The examination `fairness`: groups, swapped words, templates and files of stereotypes, whichever are asked for."""

from __future__ import annotations

from dataclasses import dataclass

from luthier.evaluate.examination import Examined, Subject
from luthier.evaluate.fairness.by_group import examine_groups
from luthier.evaluate.fairness.part import Part
from luthier.evaluate.fairness.stereotypes import examine_bbq, examine_crows_pairs, need_language_model
from luthier.evaluate.fairness.swaps import examine_swaps
from luthier.evaluate.fairness.templates import examine_templates
from luthier.recipe.evaluate_sections.fairness import FairnessSection


@dataclass(frozen=True)
class FairnessExamination:
    """Examines whether a model treats groups alike.

    Args:
        section: What is asked for.
    """

    section: FairnessSection

    def examine(self, subject: Subject) -> Examined:
        """Examine a model.

        Raises:
            DataError: A field, a class or a file is missing, or what is asked for is nothing for this kind of model.
        """
        section = self.section
        for what in ("templates", "crows_pairs", "bbq"):
            if getattr(section, what):
                need_language_model(subject, what)
        model = subject.load()
        whole = Part()
        if section.groups:
            whole.add(examine_groups(section, subject, model))
        if section.swaps or section.swap_words:
            whole.add(examine_swaps(section, subject, model))
        if section.templates:
            whole.add(examine_templates(section.templates, subject, model))
        folder = subject.recipe_folder
        if section.crows_pairs:
            whole.add(examine_crows_pairs(folder / section.crows_pairs, section.max_items, subject, model))
        if section.bbq:
            paths = [folder / name for name in section.bbq]
            whole.add(examine_bbq(paths, section.max_items, subject, model))
        return Examined(
            name="fairness",
            title="Fairness",
            figures=whole.figures,
            findings=sorted(whole.findings, key=lambda finding: not finding.is_bad),
            pictures=whole.pictures,
            tables=whole.tables,
            details=whole.details,
        )
