"""What a person should know about groups: which are missing or too small, and between which a difference is proved."""

from __future__ import annotations

from collections.abc import Sequence

from luthier.core.wording import count_of
from luthier.evaluate.examination import Figure, Finding
from luthier.evaluate.fairness.compare import Disparity
from luthier.evaluate.fairness.groups import Grouping
from luthier.evaluate.fairness.quality import Quality
from luthier.evaluate.fairness.rates import Flags, Judged
from luthier.recipe.evaluate_sections.fairness import FairnessSection

_CURE = (
    "train with `data.balance: {by: [label, FIELD], weighting: independent}` (reweighing), look at the errors of the "
    "worse group, or add rows of it"
)


def tell_groups(grouping: Grouping, section: FairnessSection) -> list[Finding]:
    """Return what is wrong with the groups themselves."""
    findings = []
    for group, size in zip(grouping.groups, grouping.sizes.tolist(), strict=True):
        if size >= section.min_group_rows:
            continue
        has = f"has {count_of(size, 'held-out row')}" if size else "has no held-out row"
        follows = (
            "is left out of every comparison"
            if section.small_groups == "leave_out"
            else "leaves every comparison undefined, and gates on it fail"
        )
        findings.append(
            Finding(
                f"{grouping.name}: group {group!r} {has}, fewer than {section.min_group_rows}; it {follows}.",
                evidence=f"{size} of {int(grouping.sizes.sum())} rows",
                cure="hold out more rows of it; or small_groups: leave_out; or a lower min_group_rows",
                is_bad=True,
            )
        )
    if grouping.num_without:
        findings.append(
            Finding(
                f"{count_of(grouping.num_without, 'held-out row')} without {grouping.name} belong to no group, and are "
                "left out.",
                evidence=f"{grouping.num_without} of {len(grouping.group_N)} rows",
                cure="fill the column in, or keep in mind whom the comparison leaves out",
                is_bad=True,
            )
        )
    if grouping.num_others:
        findings.append(
            Finding(
                f"{count_of(grouping.num_others, 'held-out row')} of other values of {grouping.name} than expected are "
                "left out.",
                evidence=f"{grouping.num_others} of {len(grouping.group_N)} rows",
                cure=f"name them in evaluate.fairness.expected: {{{grouping.name}: […]}}",
                is_bad=True,
            )
        )
    return findings


def tell_constant(said_N: Flags, positive: str) -> list[Finding]:
    """Return that the model says the same of every row, where it does: it treats groups alike by deciding nothing."""
    if said_N.any() and not said_N.all():
        return []
    what = f"to be {positive!r}" if said_N.any() else f"not to be {positive!r}"
    return [
        Finding(
            f"Every held-out row is said {what}: equal rates of groups mean nothing here.",
            evidence=count_of(len(said_N), "row"),
            cure="a model that decides: lower objective.fairness.weight or train longer; and a gate on accuracy",
            is_bad=True,
        )
    ]


def tell_criterion(judged: Sequence[Judged], grouping: Grouping, section: FairnessSection) -> list[Finding]:
    """Return the verdict on each criterion."""
    findings = []
    for one in judged:
        name = f"{grouping.name}: {one.criterion.title}"
        if one.disparity is None:
            findings.append(
                Finding(
                    f"{name} is undefined: {one.why_undefined}.",
                    evidence="a rate that does not exist equals none",
                    cure="hold out such rows of the group; gates on this fail until then",
                    is_bad=True,
                )
            )
            continue
        findings.append(
            _verdict(
                name, one.disparity, one.highest, one.lowest, is_overall=section.compare_with == "overall"
            )
        )
    return findings


def tell_quality(
    quality: Quality, figure: Figure, found: Disparity | None, grouping: Grouping, chosen: Flags
) -> Finding:
    """Return the verdict on one metric."""
    name = f"{grouping.name}: {quality.title}"
    if found is None:
        return Finding(
            f"{name} is undefined: {figure.why_undefined}.",
            evidence="a metric that does not exist equals none",
            cure="hold out more rows of the group; gates on this fail until then",
            is_bad=True,
        )
    groups = [group for group, is_in in zip(grouping.groups, chosen, strict=True) if is_in]
    return _verdict(name, found, groups[found.highest], groups[found.lowest], is_overall=False)


def _verdict(name: str, found: Disparity, highest: str, lowest: str, *, is_overall: bool) -> Finding:
    evidence = f"difference {found.difference.shown('.3f')}"
    if found.ratio is not None:
        evidence += f", ratio {found.ratio.shown('.3f')}"
    if found.difference.low > 0:
        if is_overall:
            text = f"{name} of a group differs from that of all rows together."
        else:
            text = f"{name} differs, most between {highest!r} (highest) and {lowest!r} (lowest)."
        return Finding(text, evidence, cure=_CURE, is_bad=True)
    text = f"{name}: no difference is proved; it may be as large as {found.difference.high:.2f}."
    return Finding(text, evidence)
