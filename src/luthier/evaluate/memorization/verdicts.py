"""What the figures of memorisation mean, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from luthier.core.wording import count_of
from luthier.evaluate.examination import Figure, Finding
from luthier.evaluate.memorization.canaries import CanaryResult
from luthier.evaluate.statistics import Interval
from luthier.recipe.evaluate_sections.memorization import MemorizationSection

_TOLD_APART = 0.6
"""AUC that counts as telling members apart, if surely exceeded: any training lowers the loss of its rows a bit."""

_CHANCE = 0.05
"""Of a secret that was not learnt to be as exposed; a secret exceeds b bits by chance with probability 2^-b."""

_CURE = (
    "fewer epochs (train.num_train_epochs), a lower learning rate or rank, train.early_stopping_patience, more rows; "
    "do not train what must not come out: data.pii"
)


def verdicts(
    section: MemorizationSection,
    figures: Mapping[str, Figure],
    canaries: Sequence[CanaryResult],
    num_copied: int,
    control: Interval | None,
) -> list[Finding]:
    """Return the verdicts, what is wrong first.

    Args:
        section: Of the recipe.
        figures: By name, without the examination's.
        canaries: Exposure of each.
        num_copied: Extracted rows that stand in the training data more than once.
        control: AUC of the attack by loss on the base; None where it is unknown.
    """
    found = [
        _extraction(section, figures, num_copied),
        *_membership(figures, control),
        *_canaries(canaries),
    ]
    return sorted(found, key=lambda finding: not finding.is_bad)


def _extraction(section: MemorizationSection, figures: Mapping[str, Figure], num_copied: int) -> Finding:
    figure, excess, near = (figures[name] for name in ("extracted_share", "excess_share", "near_share"))
    if figure.value is None or excess.value is None or near.value is None:
        cure = "lower continuation_tokens or prefix_tokens" if "tokens" in figure.why_undefined else ""
        return Finding("Extraction of training rows was not tried", figure.why_undefined, cure, bool(cure))
    held_out = figure.value.value - excess.value.value
    base = f", {figure.base.value:.1%} by the base" if figure.base is not None else ""
    evidence = (
        f"of {count_of(figure.num_rows, 'training row')} {figure.value.value:.1%} (at most {figure.value.high:.1%}) "
        f"are continued verbatim over {section.continuation_tokens} tokens, {near.value.value:.1%} nearly; "
        f"of held-out rows {held_out:.1%}{base}"
    )
    if excess.value.low > 0:
        cure = _CURE
        if num_copied:
            cure = f"remove repeated rows (data.deduplicate): {num_copied} of the extracted ones are; {cure}"
        return Finding("The model writes training rows out word for word", evidence, cure, True)
    if figure.value.value > 0:
        text = "Some rows are continued verbatim, but rows that were not trained no less surely: wording in common"
        return Finding(text, evidence)
    return Finding("No training row came out", evidence)


def _membership(figures: Mapping[str, Figure], control: Interval | None) -> list[Finding]:
    figure, rate = figures["membership_auc"], figures["tpr_at_fpr"]
    if figure.value is None:
        return []
    auc = figure.value
    evidence = f"AUC {auc.value:.3f} ({auc.low:.3f} to {auc.high:.3f}), chance is 0.5"
    if rate.value is not None:
        evidence += f"; {rate.title.lower()}: {rate.value.value:.1%}"
    findings = []
    if control is not None and control.low > 0.5:
        text = (
            "Training and held-out rows differ even for the base, which knows neither: AUC measures that too"
        )
        told = f"AUC with the base {control.value:.3f} (at least {control.low:.3f})"
        findings.append(Finding(text, told, "hold rows out at random: data.eval.split", True))
    if auc.low > _TOLD_APART:
        text = "Whoever has a row can tell whether it was trained"
        return [Finding(text, evidence, _CURE, True), *findings]
    return [Finding("Training rows can hardly be told from others", evidence), *findings]


def _canaries(canaries: Sequence[CanaryResult]) -> list[Finding]:
    if not canaries:
        return []
    findings = []
    if absent := [each for each in canaries if each.num_trained == 0]:
        text = f"Canaries that stand in no training row ({len(absent)}): their exposure tells nothing of training"
        cure = "add rows with exactly that sentence to data.train, or correct format, secret and prompt"
        findings.append(Finding(text, "; ".join(each.text for each in absent), cure, True))
    most = max(canaries, key=lambda each: each.tuned.value)
    chance = len(canaries) * 2.0**-most.tuned.value
    before = "" if most.base is None else f", {most.base.value:.1f} by the base"
    evidence = f"exposure {most.tuned.value:.1f} bits (at least {most.tuned.low:.1f}){before}: {most.text}"
    if chance < _CHANCE and (most.base is None or most.tuned.value > most.base.value):
        return [*findings, Finding("A canary's secret is exposed", evidence, _CURE, True)]
    return [*findings, Finding("No canary's secret stands out", evidence)]
