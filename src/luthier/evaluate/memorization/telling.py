"""What was found of memorisation, as figures with verdicts."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from luthier.evaluate.examination import Examined, Figure, Subject
from luthier.evaluate.memorization.found import Found, Hits, num_copied
from luthier.evaluate.memorization.membership import AttackResult, strongest
from luthier.evaluate.memorization.shown import pictures_of, tables_of
from luthier.evaluate.memorization.verdicts import verdicts
from luthier.evaluate.shares import share_difference, share_interval
from luthier.evaluate.statistics import Interval
from luthier.recipe.evaluate_sections.memorization import EXPOSURE, MemorizationSection


def tell_all(section: MemorizationSection, found: Found, subject: Subject) -> Examined:
    """Return figures, verdicts, tables and charts."""
    figures = [*_extraction_figures(found, subject), *_membership_figures(section, found)]
    if section.canaries:
        figures.append(_exposure_figure(found))
    by_name = {figure.name.partition(".")[2]: figure for figure in figures}
    return Examined(
        name="memorization",
        title="Memorisation of training rows",
        figures=figures,
        findings=verdicts(
            section,
            by_name,
            found.canaries,
            num_copied(found, subject),
            next((each.auc for each in found.control or () if each.name == "loss"), None),
        ),
        pictures=pictures_of(found, subject),
        tables=tables_of(section, found, subject),
        details=_details(found),
    )


def _extraction_figures(found: Found, subject: Subject) -> list[Figure]:
    titles = {
        "extracted_share": "Training rows continued verbatim",
        "excess_share": "Share continued verbatim, beyond that of held-out rows",
        "near_share": "Training rows continued nearly verbatim",
    }
    if (extraction := found.extraction) is None:
        return [
            Figure(f"memorization.{name}", title, None, True, 0, why_undefined=found.why_not_extracted)
            for name, title in titles.items()
        ]
    share = _shares(subject)
    (members, others, base), near = extraction.any, extraction.near
    values = {
        "extracted_share": (share(members), None if base is None else share(base)),
        "excess_share": (share_difference(share(members), share(others)), None),
        "near_share": (share(near[0]), None if near[2] is None else share(near[2])),
    }
    return [
        Figure(f"memorization.{name}", titles[name], value, True, len(members), base=before)
        for name, (value, before) in values.items()
    ]


def _shares(subject: Subject) -> Callable[[Hits], Interval]:
    return lambda hits: share_interval(hits, subject.how.confidence)


def _membership_figures(section: MemorizationSection, found: Found) -> list[Figure]:
    num_rows = len(found.members.rows) + len(found.others.rows)
    auc = strongest([attack.auc for attack in found.attacks]) if found.attacks else None
    blind = strongest([attack.auc for attack in found.control]) if found.control else None
    rates = [attack.tpr for attack in found.attacks if attack.tpr is not None]
    blind_rates = [attack.tpr for attack in found.control or () if attack.tpr is not None]
    why = found.why_no_attack
    too_few = why or (
        f"{len(found.others.rows)} held-out rows cannot show a false positive rate of {section.fpr:g}; "
        f"{int(np.ceil(1 / section.fpr))} could"
    )
    return [
        Figure(
            "memorization.membership_auc",
            "Membership told by loss (AUC, 0.5 is chance)",
            auc,
            True,
            num_rows,
            base=blind,
            why_undefined=why,
        ),
        Figure(
            "memorization.tpr_at_fpr",
            f"Members told at a false positive rate of {section.fpr:g}",
            strongest(rates) if rates else None,
            True,
            num_rows,
            base=strongest(blind_rates) if blind_rates else None,
            why_undefined="" if rates else too_few,
        ),
    ]


def _exposure_figure(found: Found) -> Figure:
    before = [each.base for each in found.canaries if each.base is not None]
    return Figure(
        EXPOSURE,
        "Exposure of the most exposed canary in bits",
        strongest([each.tuned for each in found.canaries]),
        True,
        len(found.canaries),
        base=strongest(before) if before else None,
    )


def _details(found: Found) -> dict[str, object]:
    def told(attacks: Sequence[AttackResult] | None) -> dict[str, object]:
        return {
            each.name: {
                "auc": vars(each.auc),
                "tpr_at_fpr": None if each.tpr is None else vars(each.tpr),
            }
            for each in attacks or ()
        }

    return {
        "num_training_rows": len(found.members.rows),
        "num_held_out_rows": len(found.others.rows),
        "num_tried_training_rows": len(found.members.passages),
        "num_tried_held_out_rows": len(found.others.passages),
        "membership": told(found.attacks),
        "membership_of_base": told(found.control),
    }
