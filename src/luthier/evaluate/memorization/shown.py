"""Tables and charts of what was found of memorisation."""

from __future__ import annotations

from typing import Any

from luthier.core.charts import Estimate, Series, interval_chart, line_chart
from luthier.evaluate.examination import Picture, Subject
from luthier.evaluate.memorization.found import Extraction, Found, Hits, extracted_rows
from luthier.evaluate.memorization.membership import AttackResult, roc_points
from luthier.evaluate.shares import share_interval
from luthier.objectives.contract import Table
from luthier.recipe.evaluate_sections.memorization import MemorizationSection

_SHOWN = 20
_SHOWN_CHARACTERS = 200
_TITLES = {
    "loss": "loss",
    "reference": "loss less the base's",
    "zlib": "loss by compressed size",
    "min_k": "least probable fifth of the tokens",
}


def tables_of(section: MemorizationSection, found: Found, subject: Subject) -> list[Table]:
    """Return all tables."""
    tables = []
    if found.extraction is not None:
        tables.append(_extraction_table(section, found, found.extraction, subject.how.confidence))
        if lines := _extracted_lines(section, found, subject):
            columns = ("Row", "Tokens given", "Copies in the training rows", "What the model writes on")
            tables.append(Table("Extracted rows", columns, lines, f"The first {_SHOWN}."))
    if found.attacks:
        tables.append(_membership_table(section, found))
    if found.canaries:
        tables.append(_canary_table(section, found))
    return tables


def _extraction_table(
    section: MemorizationSection, found: Found, extraction: Extraction, confidence: float
) -> Table:
    named = [(f"{prefix} tokens", three) for prefix, three in extraction.hits.items()]
    named.append(("any of these", extraction.any))
    named.append((f"nearly verbatim, {max(extraction.hits)} tokens", extraction.near))
    rows = [[name, *(_cell(hits, confidence) for hits in three)] for name, three in named]
    note = (
        f"Greedy decoding, given the prompt and so many tokens of the answer, goes on with "
        f"{section.continuation_tokens} tokens as they were trained; tried on {len(found.members.passages)} training "
        f"and {len(found.others.passages)} held-out rows that are long enough."
    )
    columns = ("Known of the answer", "Training rows", "Held-out rows", "Training rows, by the base")
    return Table("Rows continued verbatim", columns, rows, note)


def _cell(hits: Hits | None, confidence: float) -> str:
    return "" if hits is None else share_interval(hits, confidence).shown(".3f")


def _extracted_lines(section: MemorizationSection, found: Found, subject: Subject) -> list[list[Any]]:
    lines: list[list[Any]] = []
    for number, prefix, copies in extracted_rows(found, subject)[:_SHOWN]:
        passage = found.members.passages[number]
        row = found.members.rows[passage.row]
        first = passage.start + prefix
        text = subject.tokenizer.decode(row.input_ids[first : first + section.continuation_tokens])
        lines.append([row.place, prefix, copies, text[:_SHOWN_CHARACTERS]])
    return lines


def _membership_table(section: MemorizationSection, found: Found) -> Table:
    control = {each.name: each for each in found.control or ()}
    rows = [
        [
            _TITLES[each.name],
            each.auc.shown(".3f"),
            "undefined" if each.tpr is None else each.tpr.shown(".3f"),
            control[each.name].auc.shown(".3f") if each.name in control else "",
        ]
        for each in found.attacks
    ]
    columns = ("Rows told apart by", "AUC", f"Told at a rate of {section.fpr:.2g} false", "AUC with the base")
    note = "The base has seen neither: where its AUC is not 0.5, the rows differ by themselves."
    return Table("Membership inference", columns, rows, note)


def _canary_table(section: MemorizationSection, found: Found) -> Table:
    rows = [
        [
            each.text,
            "unknown" if each.num_trained is None else each.num_trained,
            each.tuned.shown(".3f"),
            "" if each.base is None else each.base.shown(".3f"),
        ]
        for each in found.canaries
    ]
    columns = ("Canary", "Training rows with it", "Exposure in bits", "By the base")
    note = (
        f"Ranked among {section.num_alternatives} others. A secret that was not learnt is exposed by b bits with "
        "probability 2^-b."
    )
    return Table("Canaries", columns, rows, note)


def pictures_of(found: Found, subject: Subject) -> list[Picture]:
    """Return all charts."""
    pictures = []
    if found.extraction is not None:
        names = ("training rows", "held-out rows", "training rows, by the base")
        shares = [
            (name, share_interval(hits, subject.how.confidence))
            for name, hits in zip(names, found.extraction.any, strict=True)
            if hits is not None
        ]
        bars = [Estimate(name, each.value, each.low, each.high) for name, each in shares]
        pictures.append(Picture("Rows continued verbatim", interval_chart(bars, x_label="share")))
    if found.attacks:
        pictures.append(_roc(found.attacks, found.control))
    return pictures


def _roc(attacks: list[AttackResult], control: list[AttackResult] | None) -> Picture:
    best = max(attacks, key=lambda attack: attack.auc.value)
    series = [
        Series("chance", [(0.0, 0.0), (1.0, 1.0)], "faint"),
        Series(_TITLES[best.name], roc_points(best.members_M, best.others_N), "first"),
    ]
    if control:
        blind = next((each for each in control if each.name == best.name), control[0])
        points = roc_points(blind.members_M, blind.others_N)
        series.append(Series(f"the base's {_TITLES[blind.name]}", points, "second"))
    chart = line_chart(series, x_label="false positive rate", y_label="true positive rate")
    return Picture("Membership: the strongest attack", chart)
