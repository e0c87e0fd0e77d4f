"""`data.balance`: rare classes and groups made to count."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from luthier.recipe.section import Fraction, PositiveInt, Section

_USED_BY = {
    "weighting": ("weights",),
    "beta": ("weights",),
    "max_weight": ("weights",),
    "max_ratio": ("oversample", "undersample"),
    "max_copies": ("oversample",),
    "share": ("stratified",),
    "rows": ("stratified",),
}


class BalanceSection(Section):
    """Balance training rows by label, group or attribute; held-out rows stay as they are."""

    by: str | list[str] | None = Field(
        None,
        description="What makes a class: `label`, `group`, `source`, `task`, or a column that the source's "
        "`attributes` names; a list takes their combinations. Default: nothing is balanced.",
    )
    method: Literal["weights", "oversample", "undersample", "stratified"] = Field(
        "weights",
        description="`weights` lets rows of rare classes weigh more in the loss; `oversample` repeats them; "
        "`undersample` leaves out rows of frequent ones; `stratified` draws a smaller set with the same shares.",
    )
    weighting: Literal["balanced", "inverse_sqrt", "effective_number", "independent"] | None = Field(
        None,
        description="`balanced` (default): one over frequency, all classes weigh the same; `inverse_sqrt`: halfway "
        "there; `effective_number`: arXiv:1901.05555; `independent`: makes the two fields of `by` independent of "
        "each other (reweighing, Kamiran and Calders 2012).",
    )
    beta: Annotated[float, Field(gt=0.0, lt=1.0)] | None = Field(
        None, description="Of `effective_number`. Default: 0.999; nearer to 1, nearer to `balanced`."
    )
    max_weight: Annotated[float, Field(gt=0.0)] | None = Field(
        None, description="No row is made to weigh more than this. Default: no limit."
    )
    max_ratio: Annotated[float, Field(ge=1.0)] | None = Field(
        None, description="Rows of the largest class over those of the smallest, afterwards. Default: 1."
    )
    max_copies: PositiveInt | None = Field(
        None, description="No row is repeated more often than this. Default: no limit."
    )
    share: Fraction | None = Field(None, description="Share of the rows that `stratified` draws.")
    rows: PositiveInt | None = Field(None, description="Rows that `stratified` draws, instead of a share.")

    @model_validator(mode="after")
    def _everything_takes_effect(self) -> Self:
        written = self.model_fields_set - {"by"}
        if self.by is None:
            if written:
                raise ValueError(f"{sorted(written)[0]} has no effect without by")
            return self
        if not self.by or (isinstance(self.by, list) and len(set(self.by)) < len(self.by)):
            raise ValueError("by names no field, or one twice")
        for name, methods in _USED_BY.items():
            if name in written and self.method not in methods:
                raise ValueError(f"{name} has no effect with method {self.method}")
        if "beta" in written and self.weighting != "effective_number":
            raise ValueError("beta has no effect without weighting: effective_number")
        if self.weighting == "independent" and (isinstance(self.by, str) or len(self.by) != 2):
            raise ValueError("weighting independent needs two fields in by, e.g. [label, group]")
        if self.method == "stratified" and (self.share is None) == (self.rows is None):
            raise ValueError("stratified needs share or rows, one of the two")
        return self
