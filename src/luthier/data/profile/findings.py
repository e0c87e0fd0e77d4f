"""Findings: what of a profile a person should read first, each with what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from luthier.core.wording import count_of

_UNEVEN = 10.0
_TIED, _STRONGLY_TIED = 0.1, 0.3
"""Small and medium effect of Cramér's V where one side has two values (Cohen 1988)."""
_SIGNIFICANT = 0.05
_REPEATED = 0.01
_LEFT_OUT = 0.01
_MINOR_LANGUAGE = 0.02
_UNKNOWN, _FRAGMENTS = 0.001, 0.1
_LISTED = 5


@dataclass(frozen=True)
class Finding:
    """One thing that a person should know.

    Args:
        level: ``warning`` where training suffers from it, ``note`` otherwise.
        code: For programs.
        text: What is so.
        cure: What to do about it.
    """

    level: Literal["warning", "note"]
    code: str
    text: str
    cure: str | None = None


def findings_of(profile: Mapping[str, Any]) -> list[Finding]:
    """Return the findings of a profile, warnings first."""
    found = [
        *_of_rows(profile),
        *_of_classes(profile),
        *_of_associations(profile),
        *_of_drift(profile),
        *_of_languages(profile),
        *_of_tokens(profile),
        *_of_columns(profile),
    ]
    return sorted(found, key=lambda finding: finding.level != "warning")


def _of_rows(profile: Mapping[str, Any]) -> Iterator[Finding]:
    rows = profile["rows"]
    out = sum(entry["rows"] for entry in profile["left_out"].values())
    if out:
        reason, first = next(iter(profile["left_out"].items()))
        level: Literal["warning", "note"] = "warning" if out > _LEFT_OUT * (rows + out) else "note"
        text = (
            f"{out:,} of {count_of(rows + out, 'row')} cannot be used, most as {reason}: {first['example']}"
        )
        yield Finding(level, "left_out", text, "look at them with `luthier data inspect`, or mend the file")
    repeated = profile["repeats"].get("repeated", 0)
    if repeated:
        level = "warning" if repeated > _REPEATED * rows else "note"
        text = f"an earlier row is repeated by {count_of(repeated, 'row')} ({repeated / rows:.1%})"
        yield Finding(level, "repeated", text, "`luthier data dedup`, or data.clean.deduplicate")
    for shared in profile["repeats"].get("shared", ()):
        text = f"texts of {shared['first']} stand in {count_of(shared['rows'], 'row')} of {shared['second']}, too"
        cure = "if one of them is for evaluation: `luthier data decontaminate`, or data.eval.sources"
        yield Finding("warning", "shared_texts", text, cure)
    contradicting = profile["repeats"].get("contradicting", 0)
    if contradicting and profile["classes"]:
        rows_with_them = profile["repeats"]["rows_contradicting"]
        text = f"texts with different labels: {contradicting:,}, in {count_of(rows_with_them, 'row')}"
        yield Finding(
            "warning", "contradicting", text, "`luthier data label-errors`, or have them adjudicated"
        )


def _of_classes(profile: Mapping[str, Any]) -> Iterator[Finding]:
    classes = profile["classes"]
    if classes is None:
        return
    if classes["number"] == 1:
        name = classes["values"][0]["name"]
        yield Finding("warning", "one_class", f"all rows have the class {name!r}: there is nothing to learn")
    elif classes["largest_over_smallest"] >= _UNEVEN:
        first, last = classes["values"][0], [*classes["values"], *classes["smallest"]][-1]
        text = (
            f"the classes are uneven: {first['name']!r} has {first['rows']:,} {classes['unit']}, {last['name']!r} "
            f"{last['rows']:,}; {classes['number']} classes count as {classes['effective']:.1f} even ones"
        )
        yield Finding(
            "warning", "uneven_classes", text, "data.balance: {by: label}, or data.augment for the rare"
        )


def _of_associations(profile: Mapping[str, Any]) -> Iterator[Finding]:
    tied = [
        entry
        for entry in profile["associations"]
        if entry["cramers_v"] >= _TIED and entry["q_value"] is not None and entry["q_value"] < _SIGNIFICANT
    ]
    is_tagged = "token_classification" in profile["kinds"]  # longer sentences mention more
    for entry in [e for e in tied if e["first"] == "label" and not (is_tagged and e["second"] == "length")][
        :_LISTED
    ]:
        cell = max(entry["cells"], key=lambda c: c["residual"])
        strength = "strongly" if entry["cramers_v"] >= _STRONGLY_TIED else "somewhat"
        text = (
            f"label and {entry['second']} are {strength} tied (Cramér's V {entry['cramers_v']:.2f}): "
            f"{cell['first']!r} with {cell['second']!r} has {count_of(cell['rows'], 'row')}, "
            f"{cell['expected']:,.0f} by chance"
        )
        cure = None
        if entry["second"] not in ("length", "language"):
            cure = f"data.balance: {{by: [label, {entry['second']}], weighting: independent}}"
        yield Finding("warning" if entry["cramers_v"] >= _STRONGLY_TIED else "note", "tied_label", text, cure)


def _of_drift(profile: Mapping[str, Any]) -> Iterator[Finding]:
    for pair in profile["drift"]:
        for entry in pair["columns"]:
            if entry["verdict"] in ("moderate", "large"):
                text = (
                    f"{entry['column']} differs between {pair['before']} and {pair['after']}: "
                    f"stability index {entry['psi']:.2f}, {entry['psi_of_chance']:.3f} by chance"
                )
                level: Literal["warning", "note"] = "warning" if entry["verdict"] == "large" else "note"
                cure = "if both should be alike: `luthier data split` anew; otherwise find out what changed"
                yield Finding(level, "drift", text, cure)


def _of_languages(profile: Mapping[str, Any]) -> Iterator[Finding]:
    values = profile["columns"].get("language", {}).get("values", [])
    spoken = [entry for entry in values if entry["share"] >= _MINOR_LANGUAGE and entry["name"] != "und"]
    if len(spoken) > 1:
        listed = ", ".join(f"{entry['name']} {entry['share']:.0%}" for entry in spoken[:_LISTED])
        yield Finding(
            "note", "languages", f"several languages: {listed}", "data.clean.language, if one is meant"
        )


def _of_tokens(profile: Mapping[str, Any]) -> Iterator[Finding]:
    tokens = profile["tokens"]
    if tokens is None:
        return
    cure = "a base that knows the language, or a larger vocabulary"
    if tokens["unknown_share"] > _UNKNOWN:
        pieces = ", ".join(list(tokens["unknown_pieces"])[:_LISTED])
        text = f"the tokenizer does not know {tokens['unknown_share']:.1%} of the tokens, e.g. {pieces}"
        yield Finding("warning", "unknown_tokens", text, cure)
    for language, counts in tokens["by_language"].items():
        if counts["fragment_share"] > _FRAGMENTS and counts["texts"] > _MINOR_LANGUAGE * profile["rows"]:
            where = "" if language == "all" else f" in {language}"
            text = (
                f"{counts['fragment_share']:.0%} of the tokens{where} are parts of a character: the tokenizer "
                f"spells what it has no word for, {counts['tokens_per_character']:.2f} tokens a character"
            )
            yield Finding("warning", "fragments", text, cure)


def _of_columns(profile: Mapping[str, Any]) -> Iterator[Finding]:
    for column in profile["raw_columns"]:
        rows = profile["rows"] + sum(entry["rows"] for entry in profile["left_out"].values())
        absent = column["missing"] + column["empty"]
        if column["is_nearly_constant"]:
            share = column["most_frequent_share"]
            text = f"column {column['name']!r} is {column['most_frequent']!r} in {share:.1%} of the rows that have it"
            yield Finding("note", "constant_column", text)
        elif absent > rows / 2:
            yield Finding(
                "note",
                "empty_column",
                f"column {column['name']!r} is missing or empty in {absent / rows:.0%} of the rows",
            )
