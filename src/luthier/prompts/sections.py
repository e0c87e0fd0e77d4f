"""The sections of a prompt file: every key that it may hold, documented once, here."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from luthier.recipe.section import PositiveInt, Section


class ExamplesSection(Section):
    """Solved examples that a prompt shows."""

    pool: str | None = Field(
        None, description="File of rows to choose from; paths start at the prompt's folder."
    )
    rows: list[dict[str, Any]] = Field(
        default_factory=list, description="The rows themselves, instead of a pool."
    )
    select: Literal["similar", "diverse", "random", "fixed"] = Field(
        "similar",
        description="`similar`: those nearest to the question; `diverse`: near to it and unlike each other; `random`: "
        "drawn for each question; `fixed`: the same ones always.",
    )
    count: PositiveInt | None = Field(None, description="Examples a prompt; with `fixed` use `numbers`.")
    numbers: list[PositiveInt] = Field(
        default_factory=list, description="With `fixed` and a pool: which rows, by their number from 1."
    )
    by: str | None = Field(
        None,
        description="Template of the text that is compared.  [default: the fields that the template uses]",
    )
    encoder: str = Field("minilm", description="Sentence encoder that compares; `minilm` reads English.")
    relevance: Annotated[float, Field(ge=0.0, le=1.0)] = Field(
        0.7,
        description="With `diverse`: weight of nearness to the question, the rest being unlikeness to the examples "
        "that are chosen already.",
    )
    seed: Annotated[int, Field(ge=0)] = Field(0, description="With `random`: of the draws.")
    written_as: Literal["text", "turns"] = Field(
        "text",
        description="`text`: where the template says {{ examples }}; `turns`: earlier turns of the conversation.",
    )
    template: str | None = Field(
        None, description="An example as text; {{ example_answer }} stands for its answer."
    )
    separator: str = Field("\n\n", description="Between two examples as text.")
    answer: str | None = Field(
        None, description="Template of an example's answer, e.g. with its reasoning.  [default: the answer's]"
    )


class ReasoningSection(Section):
    """Chain of thought: the model thinks before it answers."""

    instruction: str = Field(min_length=1, description="Stands where the prompt says {{ reasoning }}.")


class ExtractSection(Section):
    """Where in what a model says its answer stands."""

    after: str | None = Field(
        None, description="The answer is what follows the last of these marks, up to the line's end."
    )
    pattern: str | None = Field(
        None, description="Regular expression; the answer is the first group of its last match."
    )
    last_number: bool = Field(False, description="The answer is the last number; 1,200.0 and 1200 are equal.")


class ChoicesFrom(Section):
    """A set of answers that is the same for every row, read from a file."""

    file: str = Field(description="Rows; paths start at the prompt's folder.")
    text: str = Field(description="Template of an answer; each different one is a choice.")


class PromptFile(Section):
    """A prompt: what a model is told, with places for what differs from row to row."""

    name: str = Field(min_length=1, description="What tables call it.  [default: the file's name]")
    description: str | None = Field(None, description="For people.")
    data: str | None = Field(None, description="Rows that it is for; `--data` names others.")
    format: Literal["chat", "text"] = Field(
        "chat", description="`chat`: turns of a conversation; `text`: a text that the model continues."
    )
    system: str | None = Field(None, description="The system turn.")
    template: str = Field(min_length=1, description="The question, with variables such as {{ question }}.")
    answer: str | None = Field(
        None, description="Template of the right answer; an expression that gives a list allows several."
    )
    values: dict[str, str] = Field(
        default_factory=dict, description="Texts by name, for variables that are no field of the rows."
    )
    examples: ExamplesSection | None = Field(None, description="Solved examples.")
    reasoning: ReasoningSection | None = Field(None, description="Chain of thought.")
    extract: ExtractSection | None = Field(None, description="Where the answer stands in what is said.")
    choices: list[str] = Field(default_factory=list, description="The answers that are possible.")
    choices_in_row: str | None = Field(
        None, description="Expression that gives the possible answers of a row, e.g. {{ options }}."
    )
    choices_from: ChoicesFrom | None = Field(None, description="A file that holds the possible answers.")
    max_new_tokens: PositiveInt = Field(64, description="Longest answer in tokens.")
    stop: list[str] = Field(default_factory=list, description="Strings that end an answer.")
    max_prompt_tokens: PositiveInt | None = Field(
        None, description="Longest prompt.  [default: what the model reads, less the answer]"
    )
    too_long: Literal["error", "fewer_examples"] = Field(
        "error", description="A longer prompt stops, or loses its least similar examples, which is counted."
    )

    @property
    def has_choices(self) -> bool:
        """Whether the possible answers are known."""
        return bool(self.choices) or self.choices_in_row is not None or self.choices_from is not None
