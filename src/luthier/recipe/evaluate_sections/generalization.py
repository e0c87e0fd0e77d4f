"""`evaluate.generalization`: how far what was learnt carries, and what was lost for it."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from luthier.recipe.evaluate_sections.examination import ExaminationSection
from luthier.recipe.section import PositiveInt, Section
from luthier.recipe.source_section import SchemaName, Source

SHIPPED_TEXTS = ("english", "chinese")
"""General texts that come with Luthier."""


class NamedSet(Section):
    """Rows of another domain, in any schema that the training rows may have."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$", description="What gates and report call it."
    )
    path: str = Field(description="Its file; see `data.train[].path`.")
    schema_: SchemaName | None = Field(None, alias="schema", description="Default: detected from the rows.")
    columns: dict[str, str] = Field(
        default_factory=dict, description="Own column names; see `data.train[].columns`."
    )
    limit: PositiveInt | None = Field(None, description="Read only the first rows, this many.")

    @property
    def source(self) -> Source:
        """The set as a source of rows."""
        return Source.model_validate(self.model_dump(by_alias=True, exclude={"name"}))


class GeneralizationSection(ExaminationSection):
    """Rows of other domains, examples in the prompt, and general texts that nobody tuned the model on."""

    sets: list[NamedSet] = Field(
        default_factory=list,
        description="Rows of other domains. What stands among the training rows is left out and counted.",
    )
    by: str | None = Field(
        None,
        description="Attribute of the rows that tells their domain: held-out rows whose value no training row has are "
        "a set of that name, the others are in the domain.",
    )
    shots: list[Annotated[int, Field(ge=0, le=64)]] = Field(
        default_factory=list,
        description="Of conversations: numbers of training rows that stand before the question as examples, e.g. "
        "[0, 1, 3]; the same held-out questions each time.",
    )
    shot_rows: PositiveInt = Field(
        32, description="With shots: held-out questions whose answers are scored by loss."
    )
    shot_answers: Annotated[int, Field(ge=0)] = Field(
        0, description="With shots: how many of them are answered, too, and compared by ROUGE-L."
    )
    ability: list[str] | None = Field(
        None,
        description="General texts whose loss is compared with the base's: `english` and `chinese` (shipped, about "
        "20 short texts each), or files of raw text. Default: both; under a head none, for it predicts no text.",
    )
    rows: PositiveInt = Field(500, description="Most rows of each set that are measured; spread evenly.")

    @model_validator(mode="after")
    def _is_sound(self) -> Self:
        names = [each.name for each in self.sets]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"two sets are called {twice}")
        if len(set(self.shots)) < len(self.shots):
            raise ValueError("shots names a number twice")
        for key in ("shot_rows", "shot_answers"):
            if key in self.model_fields_set and not self.shots:
                raise ValueError(f"{key} has no effect without shots; e.g. shots: [0, 3]")
        if self.shot_answers > self.shot_rows:
            raise ValueError(f"shot_answers is {self.shot_answers}, more than shot_rows, {self.shot_rows}")
        if self.ability and len({text_name(text) for text in self.ability}) < len(self.ability):
            raise ValueError("ability names two texts alike")
        if not self.sets and self.by is None and not self.shots and self.ability == []:
            raise ValueError("examines nothing; name sets, by, shots or ability")
        return self

    @property
    def figure_names(self) -> tuple[str, ...]:
        """See `ExaminationSection`; sets told apart by an attribute are named by its values."""
        sets = [*(each.name for each in self.sets), *(["*"] if self.by else [])]
        names = [f"{kind}.{name}" for name in sets for kind in ("eval_loss", "score", "drop")]
        names += [f"{kind}.{count}" for count in self.shots for kind in ("shot_loss", "shot_answers")]
        names += [f"shot_gain.{count}" for count in self.shots if count]
        if self.ability != []:
            texts = SHIPPED_TEXTS if self.ability is None else self.ability
            names += ["ability_loss", *(f"ability_loss.{text_name(text)}" for text in texts)]
        return tuple(f"generalization.{name}" for name in names)

    @property
    def files(self) -> tuple[str, ...]:
        """See `ExaminationSection`."""
        texts = [text for text in self.ability or () if text not in SHIPPED_TEXTS]
        return (*(each.path for each in self.sets), *texts)


def text_name(text: str) -> str:
    """Return what figures call a general text: a file by its name without folder and suffixes."""
    return text.replace("\\", "/").rsplit("/", 1)[-1].split(".")[0]
