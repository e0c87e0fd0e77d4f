"""What the report tells of robustness: verdicts with cures, curves over the budget, tables with examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from luthier.core.charts import Estimate, Series, interval_chart, line_chart
from luthier.core.wording import count_of
from luthier.data.annotation.rates import wilson_interval
from luthier.evaluate.examination import Figure, Finding, Picture
from luthier.evaluate.robustness.budget import budget_table, success_curve
from luthier.evaluate.robustness.outcome import Outcome
from luthier.evaluate.statistics import Interval
from luthier.objectives.contract import Table
from luthier.recipe.evaluate_sections.robustness import EMBEDDING_ATTACKS, TEXT_ATTACKS, RobustnessSection

_TOLERATED = 0.1
"""Share of broken rows from which on a verdict is bad, if all of the interval is above it."""
_EXAMPLES = 4
_SHOWN_CHARACTERS = 240

_AUGMENT = "data.augment: {operations: [{kind: %s, share: 0.5}]}"
_CURES = {
    "typing": "train on mistyped copies too: " + _AUGMENT % "typing",
    "synonyms": "train on copies with synonyms too: " + _AUGMENT % "synonyms",
    "homophones": "train on misheard copies too: " + _AUGMENT % "homophones",
    "ocr": "train on misread copies too: " + _AUGMENT % "ocr",
    "word_order": "train on copies with words swapped too: " + _AUGMENT % "swap",
    "irrelevant": "train on copies with unrelated sentences too: "
    "data.augment: {operations: [{kind: suffix, share: 0.5, phrases: […]}, {kind: prefix, share: 0.5, phrases: […]}]}",
    "injection": "train on copies with such orders too, labelled as without them: "
    "data.augment: {operations: [{kind: suffix, share: 0.5, phrases: […]}]}; and keep what users write apart "
    "from orders",
    "hotflip": "look at the examples: where other words do not change what is right, train on more rows with those",
    "fgsm": "train with noise or on more rows; compare after each change at the same epsilon",
    "pgd": "train with noise or on more rows; compare after each change at the same epsilon",
}


def findings(figures: Sequence[Figure], outcome: Outcome, section: RobustnessSection) -> list[Finding]:
    """Return the verdicts, the bad ones first."""
    by_name = {figure.name: figure for figure in figures}
    found = [_stability(by_name["robustness.stability"], outcome)]
    found += [
        _attack(name, by_name[f"robustness.{name}.success_rate"], outcome, section)
        for name in section.attacks
    ]
    if not outcome.right_N.any():
        found.insert(
            0,
            Finding(
                "No row was right before any attack: nothing can be said about attacks.",
                f"0 of {count_of(len(outcome.clean), 'row')}",
                "train until the model beats its baseline, then attack it",
                is_bad=True,
            ),
        )
    said = {verdict.said for verdict in outcome.clean if verdict.is_right}
    if len(said) == 1 and len(outcome.clean) > 1:
        found.append(
            Finding(
                f"All rows that are right have the same answer, {_short(next(iter(said)))}: how the others fare is not "
                "known.",
                count_of(int(outcome.right_N.sum()), "row"),
                "hold out rows of every class",
                is_bad=True,
            )
        )
    return sorted(found, key=lambda finding: not finding.is_bad)


def _stability(figure: Figure, outcome: Outcome) -> Finding:
    if figure.value is None:
        return Finding(
            "Stability is not known.", figure.why_undefined, "hold out rows with text", is_bad=True
        )
    is_bad = figure.value.high < 1 - _TOLERATED
    text = f"Predictions stay the same under {figure.value.value:.0%} of small changes that keep the meaning."
    cure = _CURES["typing"] + "; and look at the table for the changes that matter" if is_bad else ""
    return Finding(text, _interval(figure.value), cure, is_bad)


def _attack(name: str, figure: Figure, outcome: Outcome, section: RobustnessSection) -> Finding:
    title = _title(name)
    num_right, num_tried = int(outcome.right_N.sum()), int(outcome.tried([name]).sum())
    if figure.value is None:
        cure = "choose attacks that fit the language and length of the rows"
        return Finding(
            f"{title}: not known.", figure.why_undefined, cure if num_right else "", is_bad=bool(num_right)
        )
    within = (
        f"within {section.norm} {section.epsilon:g} of the embeddings"
        if name in EMBEDDING_ATTACKS
        else "within 1 query"
        if section.queries == 1
        else f"within {section.queries} queries"
    )
    num_broken = int(outcome.broken([name]).sum())
    text = f"{title} breaks {num_broken} of {count_of(num_tried, 'row')} that were right, {within}."
    is_bad = figure.value.low > _TOLERATED
    cure = _CURES[name] if is_bad else ""
    if 2 * num_tried < num_right:
        text += f" {num_right - num_tried} of {num_right} could not be altered at all, so this says little."
        cure = cure or "choose attacks that fit the language and length of the rows"
        is_bad = True
    evidence = _interval(figure.value)
    if not is_bad and figure.value.high > _TOLERATED:
        # Not proved bad is not proved good.
        evidence += f"; {count_of(num_tried, 'row')} cannot rule out that more than {_TOLERATED:.0%} break"
        cure = "attack more rows: evaluate.robustness.num_rows"
    return Finding(text, evidence, cure, is_bad)


def pictures(
    figures: Sequence[Figure], outcome: Outcome, section: RobustnessSection, confidence: float
) -> list[Picture]:
    """Return success rates side by side, and each attack's success over the queries that it may ask."""
    rates = [
        Estimate(figure.title, figure.value.value, figure.value.low, figure.value.high)
        for figure in figures
        if figure.name.endswith("success_rate") and figure.value is not None
    ]
    found = [Picture("Share of right rows that attacks break", interval_chart(rates, x_label="success rate"))]
    for name in section.attacks:
        attacked = [each for each in outcome.attacks[name].values() if each.could_try]
        if name == "fgsm" or not attacked:
            continue  # one step has no course
        limit = 2 * section.pgd_steps if name == "pgd" else section.queries
        curve = success_curve(attacked, limit)
        ends = [wilson_interval(round(rate * len(attacked)), len(attacked), confidence) for _, rate in curve]
        lines = [
            Series("success rate", curve, "first"),
            Series(
                f"{confidence:.0%} interval",
                [(q, low) for (q, _), (low, _) in zip(curve, ends, strict=True)],
                "faint",
            ),
            Series("", [(q, high) for (q, _), (_, high) in zip(curve, ends, strict=True)], "faint"),
        ]
        title = f"{_title(name)}: success over queries"
        chart = line_chart(lines, x_label="queries a row, at most", y_label="share of rows broken")
        found.append(Picture(title, chart))
    return [picture for picture in found if picture.svg]


def tables(
    figures: Sequence[Figure], outcome: Outcome, section: RobustnessSection, confidence: float
) -> list[Table]:
    """Return what each attack did, examples, and what small changes did."""
    by_name = {figure.name: figure for figure in figures}
    rows = []
    for name, attacked in outcome.attacks.items():
        rate = by_name[f"robustness.{name}.success_rate"]
        left = by_name[f"robustness.{name}.accuracy"]
        needed = [each.num_queries for each in attacked.values() if each.broken is not None]
        rows.append(
            [
                name,
                len(attacked),
                int(outcome.tried([name]).sum()),
                len(needed),
                "–" if rate.value is None else _interval(rate.value),
                "–" if left.value is None else _interval(left.value),
                f"{median(needed):g}" if needed else "–",
                sum(each.num_queries for each in attacked.values()),
                "–" if rate.base is None else _interval(rate.base),
            ]
        )
    columns = (
        "Attack",
        "Right before",
        "Attacked",
        "Broken",
        "Success rate",
        "Accuracy after",
        "Median queries to break",
        "Queries in all",
        "Success rate of the base",
    )
    note = (
        "Only rows that were right before are attacked. A query is one answer, or one gradient, of the model."
    )
    found = [Table("Attacks", columns, rows, note)] if rows else []
    if (budgets := budget_table(outcome, section, confidence)) is not None:
        found.append(budgets)
    if examples := _examples(outcome):
        heads = ("Attack", "Text before", "Text after", "Said before", "Said after", "Queries")
        found.append(Table("Altered rows that the model gets wrong", heads, examples))
    found.append(_changes(outcome))
    return found


def _examples(outcome: Outcome) -> list[list[Any]]:
    rows = []
    for name, attacked in outcome.attacks.items():
        shown = [(n, each) for n, each in attacked.items() if each.broken is not None and each.broken.text]
        for number, each in shown[:_EXAMPLES]:
            assert each.broken is not None
            texts = (
                outcome.texts[number],
                each.broken.text,
                outcome.clean[number].said,
                each.broken.verdict.said,
            )
            rows.append([name, *map(_short, texts), each.num_queries])
    return rows


def _changes(outcome: Outcome) -> Table:
    stability = outcome.stability
    rows: list[list[Any]] = []
    for column, name in enumerate(stability.names):
        asked = int(stability.asked_NK[:, column].sum())
        same = int(stability.same_NK[:, column].sum())
        rows.append([name, asked, same, f"{same / asked:.1%}" if asked else "–"])
    columns = ("Change", "Rows changed", "Same prediction", "Share")
    return Table("Small changes that keep the meaning", columns, rows, "One change a row, not searched for.")


def details(tuned: Outcome, base: Outcome | None, section: RobustnessSection) -> dict[str, Any]:
    """Return what the JSON report holds: settings, and each attack's counts and queries."""
    found: dict[str, Any] = {
        "settings": section.model_dump(),
        "rows": len(tuned.clean),
        "attacks": _counts(tuned),
        "stability": {
            name: {
                "rows": int(tuned.stability.asked_NK[:, k].sum()),
                "same": int(tuned.stability.same_NK[:, k].sum()),
            }
            for k, name in enumerate(tuned.stability.names)
        },
    }
    if base is not None:
        found["base_attacks"] = _counts(base)
    return found


def _counts(outcome: Outcome) -> dict[str, Mapping[str, Any]]:
    return {
        name: {
            "rows_right": len(attacked),
            "rows_attacked": int(outcome.tried([name]).sum()),
            "rows_broken": int(outcome.broken([name]).sum()),
            "queries": sum(each.num_queries for each in attacked.values()),
            "queries_to_break": sorted(each.num_queries for each in attacked.values() if each.broken),
            "is_by_text": name in TEXT_ATTACKS,
            **outcome.notes.get(name, {}),
        }
        for name, attacked in outcome.attacks.items()
    }


def _interval(interval: Interval) -> str:
    return f"{interval.value:.1%} ({interval.low:.1%} to {interval.high:.1%})"


def _title(name: str) -> str:
    """Return the name of an attack at the beginning of a sentence."""
    return name.upper() if name in ("fgsm", "pgd", "ocr") else name.replace("_", " ").capitalize()


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 1]}…"
