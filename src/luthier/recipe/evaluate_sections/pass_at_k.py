"""`evaluate.pass_at_k`: how often at least one of k sampled answers is right."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from luthier.recipe.evaluate_sections.examination import ExaminationSection
from luthier.recipe.section import PositiveInt

AnswerCheck = Literal["exact", "number", "contains", "python"]

FIELDS_OF: dict[AnswerCheck, tuple[str, ...]] = {
    "exact": ("prompt", "reference"),
    "number": ("prompt", "reference"),
    "contains": ("prompt", "reference"),
    "python": ("prompt", "test", "entry_point", "reference"),
}
"""Fields that a row may have; of `python` the last two are optional."""

OF_PYTHON = ("allow_code_execution", "timeout_seconds", "memory_mb")
"""Keys that no other check reads."""


class PassAtKSection(ExaminationSection):
    """Answer prompts several times and check each answer: pass@k of base and result."""

    check: AnswerCheck = Field(
        "exact",
        description="When an answer is right: exact (the reference but for case, width and white space), number (its "
        "last number is that of the reference, after #### where that stands), contains (the reference stands in it), "
        "python (its code passes the tests of the row).",
    )
    k: Annotated[list[PositiveInt], Field(min_length=1)] = Field(
        [1, 5], description="How many answers somebody may try; one figure each: pass_at_k.1, pass_at_k.5."
    )
    samples: PositiveInt = Field(
        10,
        description="Answers drawn for each prompt, at least the largest k; more make the estimate steadier.",
    )
    temperature: Annotated[float, Field(ge=0.0)] = Field(
        0.8, description="Of the sampling; 0 takes the most probable token, and gives one answer only."
    )
    top_p: Annotated[float, Field(gt=0.0, le=1.0)] = Field(
        0.95, description="Share of the probability mass that is sampled from."
    )
    max_new_tokens: PositiveInt = Field(256, description="Longest answer in tokens.")
    stop: list[str] = Field(
        [], description="Strings that end an answer, such as a line that begins the next function."
    )
    max_rows: PositiveInt = Field(
        100, description="Most prompts; spread evenly over the rows where there are more."
    )
    rows: str | None = Field(
        None,
        description="File of rows to ask, with the fields prompt and reference, or for python prompt, test and "
        "entry_point; default: the held-out rows, whose last answer is the reference.",
    )
    columns: dict[str, str] = Field(
        {}, description="The file's own names of these fields, e.g. {prompt: question, reference: answer}."
    )
    instruction: str | None = Field(
        None, description="Text before the prompt of each row of the file, divided by an empty line."
    )
    allow_code_execution: bool = Field(
        False, description="python: let the model's code run on this machine; read docs/pass_at_k.md first."
    )
    timeout_seconds: PositiveInt = Field(
        5, description="python: processor time of one answer; by the clock three times as much."
    )
    memory_mb: Annotated[int, Field(ge=64)] = Field(512, description="python: memory of one answer.")

    @property
    def figure_names(self) -> tuple[str, ...]:
        """See `ExaminationSection`."""
        return tuple(f"pass_at_k.{k}" for k in self.k)

    @property
    def files(self) -> tuple[str, ...]:
        """See `ExaminationSection`."""
        return () if self.rows is None else (self.rows,)

    @model_validator(mode="after")
    def _all_take_effect(self) -> Self:
        if len(set(self.k)) < len(self.k):
            raise ValueError("k names one number twice")
        if max(self.k) > self.samples:
            raise ValueError(f"pass@{max(self.k)} needs as many answers: samples is {self.samples}")
        if self.temperature == 0.0 and self.samples > 1:
            raise ValueError(
                "at temperature 0 all answers to a prompt are the same: set samples: 1 and k: [1], or a temperature"
            )
        if any(not text for text in self.stop):
            raise ValueError("stop names an empty string")
        self._check_fields()
        self._check_code()
        return self

    def _check_fields(self) -> None:
        known = FIELDS_OF[self.check]
        if unknown := [name for name in self.columns if name not in known]:
            raise ValueError(
                f"columns: {', '.join(unknown)} is no field of check {self.check}: {', '.join(known)}"
            )
        if self.rows is None:
            for key in ("columns", "instruction"):
                if getattr(self, key):
                    raise ValueError(f"{key} has no effect on the held-out rows: name a file in rows")

    def _check_code(self) -> None:
        if self.check != "python":
            return
        if not self.allow_code_execution:
            raise ValueError(
                "check: python runs code that a model wrote on this machine, within limits that are no guarantee; "
                "set allow_code_execution: true to allow it, best in a container"
            )
        if self.rows is None:
            raise ValueError(
                "check: python needs tests, which held-out rows do not have: name a file in rows"
            )
