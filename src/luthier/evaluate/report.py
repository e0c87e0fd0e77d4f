"""The report: what was measured, examined, proved and judged, as an artifact, as JSON and as one page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar

from luthier.core.artifact import Artifact
from luthier.core.files import atomic_folder, strict_json, write_json, write_text
from luthier.evaluate.against_champion import gains_over_champion
from luthier.evaluate.asked import Asked
from luthier.evaluate.examinations import examine_all
from luthier.evaluate.gates import GateResult, check_gates
from luthier.evaluate.html import findings_to_read, render_report
from luthier.evaluate.judged import ChampionResult, judged_figures
from luthier.evaluate.metrics import Comparison, with_adjusted_tests


@dataclass(frozen=True)
class Report(Artifact):
    """What the result is worth; the whole of it is in ``report.json`` and ``report.html``.

    Args:
        metrics: Each metric of base and result, with intervals and test.
        gates: Each gate with its verdict.
        proofs: What was proved about the saved model, with figures.
        passed: Whether every gate passed.
        figures: What the examinations found that gates may judge.
        findings: The first verdict of each examination and every bad one, with its ``title``.
    """

    stage: ClassVar[str] = "evaluate"

    metrics: list[dict[str, Any]] = field(default_factory=list)
    gates: list[dict[str, Any]] = field(default_factory=list)
    proofs: dict[str, Any] = field(default_factory=dict)
    passed: bool = False
    figures: list[dict[str, Any]] = field(default_factory=list)
    findings: list[dict[str, Any]] = field(default_factory=list)


def conclude(
    asked: Asked,
    comparisons: Sequence[Comparison],
    champion: ChampionResult | None,
    proofs: Mapping[str, Any],
    **further: Any,
) -> Report:
    """Examine, judge the gates, and write ``report.json`` and ``report.html``.

    Args:
        asked: What the recipe asks for, and of which model.
        comparisons: The metrics of both sides on the held-out rows.
        champion: The registered champion on the same rows; None where no gate asks for it.
        proofs: What was proved about the saved model.
        **further: Other parts of the page, such as ``generations`` or ``tables``.

    Returns:
        What the next stages need of it.
    """
    settings, comparisons = asked.settings, with_adjusted_tests(comparisons)
    examined = examine_all(settings.examinations, asked.subject, asked.events)
    if champion is not None:
        champion = replace(champion, gains=gains_over_champion(asked, examined))
    judged = judged_figures(comparisons, examined, champion)
    verdicts: list[GateResult] = check_gates(asked.gates, judged, confidence=settings.confidence)
    content: dict[str, Any] = {
        **asked.story,
        "confidence": settings.confidence,
        "metrics": [asdict(comparison) for comparison in comparisons],
        "examinations": [asdict(each) for each in examined],
        "champion": asdict(champion) if champion else None,
        "gates": [asdict(verdict) for verdict in verdicts],
        "passed": all(verdict.passed for verdict in verdicts),
        "proofs": dict(proofs),
        **further,
    }
    with atomic_folder(asked.folder) as partial:
        write_json(partial / "report.json", strict_json(content))
        write_text(partial / "report.html", render_report(content))
    return Report(
        folder=asked.folder,
        fingerprint=asked.fingerprint,
        metrics=content["metrics"],
        gates=content["gates"],
        proofs=content["proofs"],
        passed=content["passed"],
        figures=[asdict(figure) for each in examined for figure in each.figures],
        findings=findings_to_read(content["examinations"]),
    ).save()
