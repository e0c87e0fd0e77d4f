"""`data.deduplicate`, `data.decontaminate` and how rows are held out: what stands elsewhere is left out."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from luthier.recipe.section import Section

Similarity = Annotated[float, Field(gt=0.0, le=1.0)]


class DeduplicateSection(Section):
    """Leave out rows that are like another; `deduplicate: near` is short for `{kind: near}`."""

    kind: Literal["exact", "near", "semantic", "off"] = Field(
        "exact",
        description="`exact`: equal texts; `near`: character n-grams that are mostly the same; `semantic`: the same "
        "meaning, by an embedding model; `off`: all rows stay.",
    )
    threshold: Similarity | None = Field(
        None,
        description="Similarity from which rows are duplicates: Jaccard for `near` (default 0.8), cosine for "
        "`semantic` (default 0.95).",
    )
    ngram: Annotated[int, Field(ge=1, le=32)] | None = Field(
        None,
        description="Characters of an n-gram, for `near`. Default: 3, and as many more as it takes for unlike rows "
        "not to look alike.",
    )
    encoder: str = Field(
        "minilm", description="Sentence encoder, for `semantic`: a catalogue name, a folder or a hub id."
    )
    keep: Literal["first", "longest"] = Field(
        "first", description="Which row of a group stays: the first, or the one with most characters."
    )

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: Any) -> Any:
        return {"kind": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _has_effect(self) -> Self:
        if self.threshold is not None and self.kind not in ("near", "semantic"):
            raise ValueError(f"threshold has no effect with kind {self.kind}; it is of near and semantic")
        if self.ngram is not None and self.kind != "near":
            raise ValueError(f"ngram has no effect with kind {self.kind}; it is of near")
        if "encoder" in self.model_fields_set and self.kind != "semantic":
            raise ValueError(f"encoder has no effect with kind {self.kind}; it is of semantic")
        return self


class DecontaminateSection(Section):
    """Leave out training rows that share a passage with the evaluation rows."""

    enabled: bool = Field(
        False, description="Whether to compare with the rows of `eval.sources` and `against`."
    )
    against: tuple[str, ...] = Field(
        (), strict=False, description="More files of evaluation rows, e.g. of benchmarks."
    )
    ngram: Annotated[int, Field(ge=3)] = Field(
        13, description="Words in a row that make a passage; 13 as for GPT-3."
    )
    cjk_ngram: Annotated[int, Field(ge=3)] = Field(
        20, description="Characters in a row that make a passage in Chinese and Japanese."
    )

    @model_validator(mode="after")
    def _has_effect(self) -> Self:
        if not self.enabled and self.model_fields_set - {"enabled"}:
            raise ValueError(f"{sorted(self.model_fields_set)[0]} has no effect without `enabled: true`")
        return self


class FoldsSection(Section):
    """Hold out one of several equal parts; the parts of one seed are the same whichever is held out."""

    folds: Annotated[int, Field(ge=2)] = Field(description="Parts that the rows are divided into.")
    hold_out: Annotated[int, Field(ge=1)] = Field(
        1, description="Number of the part that is held out, from 1."
    )

    @model_validator(mode="after")
    def _exists(self) -> Self:
        if self.hold_out > self.folds:
            raise ValueError(f"hold_out is {self.hold_out}, but there are {self.folds} folds")
        return self


class OutOfDomainSection(Section):
    """Hold out the rows of another domain, so that evaluation tells how far what was learnt carries."""

    field: str = Field(description="Field of the rows that tells their domain, e.g. topic.")
    values: tuple[str, ...] = Field(strict=False, min_length=1, description="Values that are held out.")
