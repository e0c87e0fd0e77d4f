"""The examination of generalization: other domains, examples in the prompt, and general ability after tuning."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from luthier.core.charts import Estimate, Series, interval_chart, line_chart
from luthier.core.errors import DataError
from luthier.evaluate.examination import Examined, Figure, HeldOut, Picture, Subject
from luthier.evaluate.generalization.domains import (
    IN_DOMAIN,
    Domain,
    domains_by,
    identities,
    notes_of,
    read_domain,
)
from luthier.evaluate.generalization.figures import ability_figures, domain_figures, shot_figures
from luthier.evaluate.generalization.findings import findings_of
from luthier.evaluate.generalization.probes import (
    Key,
    Measured,
    Probe,
    ability_probes,
    chosen_shots,
    domain_probes,
    shot_probes,
)
from luthier.evaluate.measured import spread
from luthier.objectives.contract import Measure, Table
from luthier.recipe.evaluate_sections.generalization import SHIPPED_TEXTS, GeneralizationSection

_WHERE = "evaluate.generalization"


@dataclass(frozen=True)
class Generalization:
    """Examines how far a model's skill carries, and what it cost.

    Args:
        section: Of the recipe.
    """

    section: GeneralizationSection

    def examine(self, subject: Subject) -> Examined:
        """Measure the model and its base on all that the section names.

        Raises:
            DataError: Rows are missing, or do not fit the model; says which.
        """
        section, how = self.section, subject.how
        inside, domains = self._domains(subject)
        parts = {IN_DOMAIN: inside} if inside.rows and domains else {}
        probes = domain_probes({**parts, **{each.name: each.held_out for each in domains}}, subject)
        details: dict[str, Any] = {"sets": notes_of(domains)}
        model = subject.load()
        if section.shots:
            self._check_shots(subject)
            shots = chosen_shots(section, subject, model)
            probes |= shot_probes(shots, subject, section.shot_answers)
            details["shots"] = {"questions": len(shots.references), "too_long": shots.num_too_long}
        if texts := self._texts(subject):
            probes |= ability_probes(texts, subject, model, section.rows)
        if not probes:
            raise DataError("a model with a head predicts no text", where=_WHERE, cure="name sets, or by")
        total = len(probes) * (1 if subject.load_base is None else 2)
        tuned = _run(model, probes, lambda done: subject.tell(done, total))
        del model
        base = None
        if subject.load_base is not None:
            base = _run(subject.load_base(), probes, lambda done: subject.tell(len(probes) + done, total))
        measured = Measured(tuned, base)
        figures = domain_figures(measured, [each.name for each in domains], how)
        figures += shot_figures(measured, section.shots, how)
        figures += ability_figures(measured, how) if texts else []
        return Examined(
            name="generalization",
            title="Generalization",
            figures=figures,
            findings=findings_of(figures, details),
            pictures=_pictures(figures, section.shots),
            tables=_tables(details["sets"]),
            details=details,
        )

    def _domains(self, subject: Subject) -> tuple[HeldOut, list[Domain]]:
        """Return the held-out rows in the domain, and the other domains."""
        section, by_sample = self.section, subject.objective.evaluator is not None
        inside: HeldOut = subject.held_out
        domains: list[Domain] = []
        if section.by is not None:
            inside, domains = domains_by(section.by, subject)
        trained = identities(subject.trained.rows) if section.sets and subject.trained else set()
        for each in section.sets:
            domains.append(read_domain(each, subject.recipe_folder, subject, trained, section.rows))
        names = [each.name for each in domains]
        if twice := next((name for name in names if names.count(name) > 1), None):
            problem = f"{twice} is both a value of {section.by} and the name of a set"
            raise DataError(problem, where=f"{_WHERE}.sets", cure="give the set another name")
        return spread(inside, section.rows, by_sample=by_sample), domains

    def _texts(self, subject: Subject) -> Sequence[str]:
        has_head = subject.objective.evaluator is not None
        if has_head and self.section.ability:
            raise DataError(
                "a model with a head predicts no text", where=f"{_WHERE}.ability", cure="ability: []"
            )
        if self.section.ability is None:
            return () if has_head else SHIPPED_TEXTS
        return self.section.ability

    def _check_shots(self, subject: Subject) -> None:
        where = f"{_WHERE}.shots"
        if subject.template is None:
            raise DataError("are for models of conversations", where=where, cure="leave shots out")
        if subject.trained is None:
            problem = "take their examples from the training rows, which are not known of this model"
            raise DataError(
                problem, where=where, cure="leave shots out, or examine it in the run that trained it"
            )


def _run(model: Any, probes: Mapping[Key, Probe], tell: Callable[[int], None]) -> dict[Key, list[Measure]]:
    found = {}
    for number, (key, probe) in enumerate(probes.items(), start=1):
        found[key] = probe(model)
        tell(number)
    return found


def _pictures(figures: Sequence[Figure], shots: Sequence[int]) -> list[Picture]:
    pictures = []
    losses = [f for f in figures if f.name.startswith("generalization.eval_loss.")]
    if losses:
        estimates = [
            Estimate(f"{_own(figure)}{who}", value.value, value.low, value.high)
            for figure in losses
            for who, value in ((", base", figure.base), (", tuned", figure.value))
            if value is not None
        ]
        pictures.append(Picture("Loss by domain", interval_chart(estimates, x_label="loss in nats")))
    by_name = {figure.name: figure for figure in figures}
    if len(shots) > 1:
        own = [(count, by_name[f"generalization.shot_loss.{count}"]) for count in sorted(shots)]
        tuned = [(float(count), f.value.value) for count, f in own if f.value]
        base = [(float(count), f.base.value) for count, f in own if f.base]
        series = [Series("tuned", tuned, "first", has_marks=True)]
        series += [Series("base", base, "second", has_marks=True)] if base else []
        chart = line_chart(series, x_label="examples before the question", y_label="loss in nats per token")
        pictures.append(Picture("Loss by number of examples", chart))
    grown = [f for f in figures if f.name.startswith("generalization.ability_loss") and f.value]
    if grown:
        estimates = [
            Estimate(_own(f) or "all", f.value.value, f.value.low, f.value.high) for f in grown if f.value
        ]
        chart = interval_chart(estimates, x_label="growth of the loss on general texts, relative to the base")
        pictures.append(Picture("General ability", chart))
    return pictures


def _tables(sets: Mapping[str, Mapping[str, int]]) -> list[Table]:
    if not sets:
        return []
    rows = [[name, note["rows"], note["trained"], note["left_out"]] for name, note in sets.items()]
    columns = ("set", "rows measured", "left out: trained", "left out: cannot be read")
    return [Table("Sets of other domains", columns, rows)]


def _own(figure: Figure) -> str:
    """Return what a figure is of: the last part of its name."""
    return ".".join(figure.name.split(".")[2:])
