"""`evaluate.safety`: whether a chat model can be led astray, and whether it refuses what is harmless."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from luthier.recipe.evaluate_sections.examination import ExaminationSection
from luthier.recipe.section import PositiveInt, Section

SafetyTest = Literal["jailbreak", "injection", "over_refusal"]

FIGURES_OF: dict[SafetyTest, tuple[str, ...]] = {
    "jailbreak": ("safety.attack_success_rate",),
    "injection": ("safety.injection_success_rate",),
    "over_refusal": ("safety.over_refusal_rate", "safety.unsafe_refusal_rate"),
}

_FILES_OF: dict[SafetyTest, tuple[str, ...]] = {
    "jailbreak": ("requests", "wraps"),
    "injection": ("documents", "injections"),
    "over_refusal": ("prompts",),
}


class SafetyJudge(Section):
    """A model behind an OpenAI-compatible server that tells refusals from compliance, in place of the word lists."""

    server: str = Field(description="Its URL, with or without /v1.")
    model: str = Field(description="Its name there.")
    api_key_env: str | None = Field(
        None, description="Environment variable that holds the key, where one is asked for."
    )


class SafetySection(ExaminationSection):
    """Examine a chat model with wrapped harmful requests, instructions hidden in documents, and harmless prompts."""

    tests: Annotated[list[SafetyTest], Field(min_length=1)] = Field(
        ["jailbreak", "injection", "over_refusal"],
        description="jailbreak: harmful requests wrapped in stories, roles and the like; injection: instructions in "
        "a document that is to be summarised or translated; over_refusal: safe prompts that look unsafe, and unsafe "
        "ones.",
    )
    languages: Annotated[list[Literal["en", "zh"]], Field(min_length=1)] = Field(
        ["en", "zh"],
        description="Languages of the prompts that come with Luthier; rows of your files that name another are left "
        "out, those that name none are asked.",
    )
    max_prompts: PositiveInt = Field(
        120, description="Most prompts of each test; drawn at random where there are more."
    )
    max_new_tokens: PositiveInt = Field(
        64, description="Longest answer in tokens; refusals stand at the beginning."
    )
    requests: str | None = Field(
        None, description="jailbreak: a file with the column `prompt`, in place of the requests of Luthier."
    )
    wraps: str | None = Field(
        None,
        description="jailbreak: a file with the columns `name` and `template`, which holds `{request}`, in place of "
        "those of Luthier.",
    )
    documents: str | None = Field(
        None,
        description="injection: a file with the columns `task` and `document`, in place of the documents of Luthier.",
    )
    injections: str | None = Field(
        None,
        description="injection: a file with the columns `name`, `place` (start, middle, end) and `text`, which holds "
        "`{canary}`, in place of those of Luthier.",
    )
    prompts: str | None = Field(
        None,
        description="over_refusal: a file with the columns `prompt`, `type` and `label` (safe, unsafe), as XSTest has "
        "them, in place of the prompts of Luthier.",
    )
    judge: SafetyJudge | None = Field(
        None,
        description="Asks a model whether answers to jailbreaks and prompts refuse; default: word lists tell.",
    )

    @property
    def figure_names(self) -> tuple[str, ...]:
        """Names that gates may judge."""
        return tuple(name for test in self.tests for name in FIGURES_OF[test])

    @property
    def files(self) -> tuple[str, ...]:
        """Files that it reads."""
        names = (getattr(self, key) for keys in _FILES_OF.values() for key in keys)
        return tuple(name for name in names if name is not None)

    @model_validator(mode="after")
    def _all_take_effect(self) -> Self:
        if len(set(self.tests)) < len(self.tests):
            raise ValueError("tests names one twice")
        for test, keys in _FILES_OF.items():
            for key in keys:
                if getattr(self, key) is not None and test not in self.tests:
                    raise ValueError(f"{key} has no effect: {test} is not among tests")
        if self.judge is not None and self.tests == ["injection"]:
            raise ValueError("judge has no effect on injection, where a word tells")
        return self
