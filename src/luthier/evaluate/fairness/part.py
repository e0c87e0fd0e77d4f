"""Part: what one question of the examination found, before all of them come together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from luthier.evaluate.examination import Figure, Finding, Picture
from luthier.objectives.contract import Table


@dataclass
class Part:
    """Figures, findings, charts and tables; parts add up.

    Args:
        figures: What gates may judge.
        findings: Verdicts.
        pictures: Charts.
        tables: Tables.
        details: What ``report.json`` holds besides.
    """

    figures: list[Figure] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)

    def add(self, other: Part) -> None:
        """Take up what another part found."""
        self.figures += other.figures
        self.findings += other.findings
        self.pictures += other.pictures
        self.tables += other.tables
        self.details |= other.details
