"""`evaluate.fairness`: whether a model treats groups of rows alike, and texts that differ in a group's words only."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from luthier.recipe.evaluate_sections.examination import ExaminationSection
from luthier.recipe.section import PositiveInt

SwapWords = Literal["gender_en", "gender_zh", "race_en", "race_zh", "religion_en", "region_zh"]
Templates = Literal["gender_en", "gender_zh"]

RATE_FIGURES = (
    "accuracy_difference",
    "demographic_parity_difference",
    "demographic_parity_ratio",
    "equal_opportunity_difference",
    "equal_opportunity_ratio",
    "equalized_odds_difference",
    "equalized_odds_ratio",
)
"""Of a classifier, for each grouping."""
QUALITY_FIGURES = ("loss_difference", "f1_difference", "exact_match_difference")
"""Of other models, for each grouping: those of them that the task has."""
BETWEEN_FIELDS = "+"
TARGETS_FILE = "additional_metadata.csv"
"""BBQ's own table of which answer agrees with the stereotype, read where it lies beside a file of BBQ."""

_USED_WITH = {
    "groups": ("expected", "intersections", "positive", "compare_with", "min_group_rows", "small_groups"),
    "swaps": ("swap_rows",),
    "crows_pairs": ("max_items",),
}


class FairnessSection(ExaminationSection):
    """Examine whether groups are treated alike; at least one of groups, swaps, templates, crows_pairs and bbq."""

    groups: list[Annotated[str, Field(min_length=1)]] = Field(
        default_factory=list,
        description="Fields that tell the group of a held-out row: columns that the source's `attributes` names, or "
        "`group`, `source`, `task`, `label`.",
    )
    expected: dict[str, Annotated[list[str], Field(min_length=2)]] = Field(
        default_factory=dict,
        description="The groups of a field, e.g. `{gender: [female, male]}`: one of them without a row is told, other "
        "values are left out. Default: those of the training and held-out rows.",
    )
    intersections: bool = Field(
        False,
        description="Compare combinations of all fields too, e.g. `gender+region`; needs two fields or more.",
    )
    positive: str | None = Field(
        None,
        description="Of classification: the label whose rates are compared, e.g. `approved`; needed with groups.",
    )
    compare_with: Literal["groups", "overall"] = Field(
        "groups",
        description="`groups`: the highest rate of a group with the lowest; `overall`: each group with all rows.",
    )
    min_group_rows: PositiveInt = Field(30, description="Rows from which the rates of a group are believed.")
    small_groups: Literal["undefined", "leave_out"] = Field(
        "undefined",
        description="A group with fewer rows: `undefined` leaves every comparison that it belongs to undefined, so "
        "that gates on it fail; `leave_out` compares the others.",
    )
    swaps: list[SwapWords] = Field(
        default_factory=list,
        description="Kinds of words that are swapped in held-out rows (he and she, 他 and 她 …), to see what the model "
        "makes of the difference.",
    )
    swap_words: list[Annotated[list[str], Field(min_length=2, max_length=2)]] = Field(
        default_factory=list, description="Own pairs of words to swap, e.g. `[[Anna, Paul], [河南, 上海]]`."
    )
    swap_rows: PositiveInt = Field(500, description="Held-out rows with such words that are swapped.")
    templates: list[Templates] = Field(
        default_factory=list,
        description="Of language models: shipped sentences about occupations and traits, asked of each group: how far "
        "the log-likelihood of the same words differs between them.",
    )
    crows_pairs: str | None = Field(
        None, description="Of language models: a CSV file in the format of CrowS-Pairs (arXiv:2010.00133)."
    )
    bbq: list[str] = Field(
        default_factory=list,
        description="Of language models: JSONL files in the format of BBQ (arXiv:2110.08193).",
    )
    max_items: PositiveInt | None = Field(
        None, description="Of each such file, take this many items, drawn evenly; default: all."
    )

    @model_validator(mode="after")
    def _everything_takes_effect(self) -> Self:
        asks = (self.groups, self.swaps, self.swap_words, self.templates, self.crows_pairs, self.bbq)
        if not any(asks):
            raise ValueError(
                "asks for nothing: name groups, swaps, swap_words, templates, crows_pairs or bbq"
            )
        written = self.model_fields_set
        present = {
            "groups": bool(self.groups),
            "swaps": bool(self.swaps or self.swap_words),
            "crows_pairs": bool(self.crows_pairs or self.bbq),
        }
        for needed, keys in _USED_WITH.items():
            if not present[needed] and (idle := next((key for key in keys if key in written), None)):
                raise ValueError(f"{idle} has no effect without {needed}")
        if self.intersections and len(self.groups) < 2:
            raise ValueError("intersections needs two fields in groups")
        if twice := next((name for name in self.groups if self.groups.count(name) > 1), None):
            raise ValueError(f"groups names {twice!r} twice")
        if unknown := next((name for name in self.expected if name not in self.groups), None):
            raise ValueError(f"expected names {unknown!r}, which is none of groups")
        if odd := next((pair for pair in self.swap_words if pair[0] == pair[1] or not all(pair)), None):
            raise ValueError(f"swap_words: {odd} are not two different words")
        return self

    @property
    def groupings(self) -> tuple[tuple[str, ...], ...]:
        """Fields, each by itself, and all together where intersections are asked for."""
        alone = tuple((field,) for field in self.groups)
        return (*alone, tuple(self.groups)) if self.intersections else alone

    @property
    def figure_names(self) -> tuple[str, ...]:
        """What gates may judge; which of a grouping's figures there are, depends on the task."""
        names = [
            f"fairness.{BETWEEN_FIELDS.join(fields)}.{figure}"
            for fields in self.groupings
            for figure in (*RATE_FIGURES, *QUALITY_FIGURES)
        ]
        if self.swaps or self.swap_words:
            names += ["fairness.swaps.flip_rate", "fairness.swaps.change"]
        names += [f"fairness.templates.{name}" for name in self.templates]
        if self.crows_pairs:
            names.append("fairness.crows_pairs.stereotype_score")
        if self.bbq:
            names += [f"fairness.bbq.{name}" for name in ("accuracy", "bias_ambiguous", "bias_disambiguated")]
        return tuple(names)

    @property
    def files(self) -> tuple[str, ...]:
        """Files of stereotypes."""
        return (*((self.crows_pairs,) if self.crows_pairs else ()), *self.bbq)

    def files_in(self, folder: Path) -> tuple[str, ...]:
        """Return `files`, and BBQ's own tables that lie beside them."""
        tables = dict.fromkeys(str(Path(name).with_name(TARGETS_FILE)) for name in self.bbq)
        return (*self.files, *(name for name in tables if (folder / name).is_file()))
