"""Prompt: a file compiled against its rows, which turns each row into what a model is asked."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from luthier.core.errors import DataError, RecipeError
from luthier.data.sample import Message
from luthier.prompts.extract import reference_of
from luthier.prompts.rows import PromptRow, given_rows, read_prompt_rows, row_of
from luthier.prompts.sections import ExamplesSection, PromptFile
from luthier.prompts.selection import AtRandom, BySimilarity, Embed, Fixed, LeftOut, Selector
from luthier.prompts.templates import Template, TextList
from luthier.prompts.variables import asking_variables, check_variables

_LOOKED_AT = 100


@dataclass(frozen=True)
class Rendered:
    """What a model is asked about a row.

    Args:
        row: Of the evaluation set.
        messages: The turns; of a text to be continued, one.
        references: Right answers.
        choices: Possible answers; empty where they are not known.
        examples: Rows that are shown, in their order.
    """

    row: PromptRow
    messages: tuple[Message, ...]
    references: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    examples: tuple[PromptRow, ...] = ()

    @property
    def text(self) -> str:
        """All turns as text, for people and for prompts that are continued."""
        return "\n\n".join(message.content for message in self.messages)


class Prompt:
    """A prompt file, ready to be filled.

    Args:
        file: As it was read.
        path: Of it; files that it names start at its folder.
        rows: Of the evaluation set, to check the variables against.
        embedder: Loads the encoder of a name, where examples are compared; see `luthier.prompts.remembered`.

    Attributes:
        left_out: Pool rows that were not shown, counted.

    Raises:
        RecipeError: A variable that nothing fills, or something that no text uses; all are listed.
        DataError: A pool or a file of choices cannot be read.
    """

    def __init__(
        self,
        file: PromptFile,
        path: Path,
        rows: Sequence[PromptRow],
        embedder: Callable[[str], Embed],
    ) -> None:
        self.file = file
        self.path = path
        self._texts = {key: Template(text, f"{path}: {key}") for key, text in _texts_of(file)}
        fields = dict.fromkeys(name for row in rows[:_LOOKED_AT] for name in row.fields)
        pool = self._read_pool(file.examples) if file.examples else []
        pool_fields = dict.fromkeys(name for row in pool[:_LOOKED_AT] for name in row.fields)
        if faults := list(check_variables(file, self._texts, fields, pool_fields)):
            raise RecipeError(faults, source=str(path))
        used = asking_variables(self._texts)
        self._asked_fields = [name for name in fields if name in used]
        self._choices = self._read_choices()
        self._embed: Embed | None = None
        self._select = self._selection(file.examples, pool, embedder) if file.examples else None

    @property
    def left_out(self) -> LeftOut:
        """Pool rows that were not shown, counted over the rows rendered so far."""
        return self._select.left_out if self._select else LeftOut()

    @property
    def count_examples(self) -> int:
        """Examples that a prompt shows."""
        examples = self.file.examples
        return 0 if examples is None else examples.count or len(examples.numbers) or len(examples.rows)

    def prepare(self, rows: Sequence[PromptRow]) -> None:
        """Embed all rows at once, which is faster than one by one."""
        if self._embed is not None:
            self._embed([self._compared(row) for row in rows])

    def render(self, row: PromptRow) -> Rendered:
        """Return what a model is asked about a row.

        Args:
            row: Of the evaluation set.

        Raises:
            DataError: The row lacks a field, its answer is no choice, or the pool has too few examples.
        """
        shown = self._select(row, self._asked(row), self._compared(row)) if self._select else []
        choices = self._choices_of(row)
        references = self._references(row)
        if choices and references and not set(references) & set(choices):
            near = difflib.get_close_matches(references[0], choices, n=1)
            cure = f"the nearest is {near[0]!r}" if near else f"they are {', '.join(choices[:5])} …"
            raise DataError(
                f"its answer {references[0]!r} is none of the choices", where=row.place, cure=cure
            )
        return Rendered(row, self._messages(row, shown, choices), references, choices, tuple(shown))

    def with_fewer(self, rendered: Rendered, count: int) -> Rendered:
        """Return the same question with only the best of its examples, this many."""
        shown = rendered.examples[len(rendered.examples) - count :]
        messages = self._messages(rendered.row, shown, rendered.choices)
        return replace(rendered, messages=messages, examples=shown)

    def _messages(
        self, row: PromptRow, shown: Sequence[PromptRow], choices: tuple[str, ...]
    ) -> tuple[Message, ...]:
        file, examples = self.file, self.file.examples
        slots: dict[str, Any] = {"choices": TextList(choices)} if file.has_choices else {}
        if file.reasoning:
            slots["reasoning"] = file.reasoning.instruction
        as_turns = examples is not None and examples.written_as == "turns"
        if examples is not None and not as_turns:
            slots["examples"] = examples.separator.join(
                self._example_text(example, slots) for example in shown
            )
        turns = [Message("system", self._fill("system", row, slots))] if file.system is not None else []
        if as_turns:
            for example in shown:
                turns.append(Message("user", self._fill("template", example, slots)))
                turns.append(Message("assistant", self._example_answer(example)))
        return (*turns, Message("user", self._fill("template", row, slots)))

    def _example_text(self, example: PromptRow, slots: Mapping[str, Any]) -> str:
        return self._fill(
            "examples.template", example, {**slots, "example_answer": self._example_answer(example)}
        )

    def _example_answer(self, example: PromptRow) -> str:
        if "examples.answer" in self._texts:
            return self._fill("examples.answer", example, {})
        return self._answers(example)[0]

    def _answers(self, row: PromptRow) -> list[str]:
        return self._texts["answer"].texts({**self.file.values, **row.fields}, row.place)

    def _references(self, row: PromptRow) -> tuple[str, ...]:
        if "answer" not in self._texts:
            return ()
        return tuple(dict.fromkeys(reference_of(text, self.file.extract) for text in self._answers(row)))

    def _choices_of(self, row: PromptRow) -> tuple[str, ...]:
        if "choices_in_row" not in self._texts:
            return self._choices
        choices = tuple(self._texts["choices_in_row"].texts({**self.file.values, **row.fields}, row.place))
        if len(set(choices)) < max(2, len(choices)):
            raise DataError("has fewer than two choices, or the same twice", where=row.place)
        return choices

    def _fill(self, key: str, row: PromptRow, slots: Mapping[str, Any]) -> str:
        return self._texts[key].render({**row.fields, **self.file.values, **slots}, row.place)

    def _asked(self, row: PromptRow) -> str:
        """Return what a row asks: the fields that the question uses."""
        return "\n".join(str(row.fields.get(name, "")) for name in self._asked_fields)

    def _compared(self, row: PromptRow) -> str:
        return self._fill("examples.by", row, {}) if "examples.by" in self._texts else self._asked(row)

    def _read_choices(self) -> tuple[str, ...]:
        source = self.file.choices_from
        if source is None:
            return tuple(self.file.choices)
        text = self._texts["choices_from.text"]
        path = self.path.parent / source.file
        choices = dict.fromkeys(
            text.render({**self.file.values, **row.fields}, row.place) for row in read_prompt_rows(path)
        )
        if len(choices) < 2:
            raise DataError("gives a single choice", where=f"{self.path}: choices_from")
        return tuple(sorted(choices))

    def _selection(
        self, section: ExamplesSection, pool: Sequence[PromptRow], embedder: Callable[[str], Embed]
    ) -> Selector | Fixed:
        asked = [self._asked(row) for row in pool]
        if section.select == "fixed":
            return Fixed(pool, asked)
        assert section.count is not None
        if section.select == "random":
            return Selector(pool, asked, AtRandom(section.seed, len(pool)), section.count)
        self._embed = embedder(section.encoder)
        ranking = BySimilarity(self._embed, [self._compared(row) for row in pool])
        spread = ranking.spread(section.relevance) if section.select == "diverse" else None
        return Selector(pool, asked, ranking, section.count, spread)

    def _read_pool(self, section: ExamplesSection) -> list[PromptRow]:
        if section.pool is None:
            return given_rows(section.rows, str(self.path))
        path = self.path.parent / section.pool
        pool = read_prompt_rows(path)
        return [row_of(pool, number, path) for number in section.numbers] if section.numbers else pool


def _texts_of(file: PromptFile) -> Iterator[tuple[str, str]]:
    """Yield the texts that may hold variables, by their key."""
    examples, source = file.examples, file.choices_from
    texts: dict[str, str | None] = {
        "template": file.template,
        "system": file.system,
        "answer": file.answer,
        "choices_in_row": file.choices_in_row,
        "choices_from.text": source.text if source else None,
        "examples.template": examples.template if examples else None,
        "examples.answer": examples.answer if examples else None,
        "examples.by": examples.by if examples else None,
    }
    yield from ((key, text) for key, text in texts.items() if text is not None)
