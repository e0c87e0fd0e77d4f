"""Zero- and few-shot: held-out questions with training rows before them as examples, by loss and by answers.

Reference: T. Brown et al., Language Models are Few-Shot Learners, 2020 (arXiv:2005.14165), section 2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from luthier.core.errors import DataError
from luthier.data.example import IGNORED, Example
from luthier.data.render import ConversationError
from luthier.data.sample import Message, Sample
from luthier.data.template import ChatTemplate
from luthier.evaluate.measured import spread_numbers

_TRIES = 4


@dataclass(frozen=True)
class ShotRows:
    """The same held-out questions with different numbers of examples before them.

    Args:
        rows: By number of examples: the question and its answer, which alone carries loss.
        prompts: Likewise what the model is given to answer.
        references: The answers of the rows.
        num_too_long: Questions left out, for with all examples they are longer than the model can read.
    """

    rows: Mapping[int, list[Example]]
    prompts: Mapping[int, list[list[int]]]
    references: list[str]
    num_too_long: int


def shot_rows(
    held_out: Sequence[Sample],
    trained: Sequence[Sample],
    template: ChatTemplate,
    counts: Sequence[int],
    *,
    most: int,
    max_tokens: int,
    seed: int,
) -> ShotRows:
    """Return questions with examples before them; the examples of fewer are the last ones of more.

    A question is left out with all numbers of examples if it is too long with one, so that all are compared on the
    same rows. Examples are drawn for each question, never one with the same first turn.

    Args:
        held_out: Conversations to ask.
        trained: Conversations to take examples from.
        template: Renders, tokenizes and masks.
        counts: Numbers of examples.
        most: Questions.
        max_tokens: Longest row.
        seed: Of the draw.

    Raises:
        DataError: There are too few training rows, or no question fits.
    """
    where = "evaluate.generalization.shots"
    pool = [sample for sample in trained if _turns(sample) and not sample.tools]
    if len(pool) < max(counts):
        problem = f"asks for {max(counts)} examples, but {len(pool)} training rows can be one"
        raise DataError(problem, where=where, cure=f"shots: [0, {len(pool)}]" if pool else "leave shots out")
    generator = np.random.default_rng(seed)
    rows: dict[int, list[Example]] = {count: [] for count in counts}
    prompts: dict[int, list[list[int]]] = {count: [] for count in counts}
    references: list[str] = []
    num_too_long = 0
    asked = [sample for sample in held_out if _turns(sample) and not sample.tools]
    for number in spread_numbers(len(asked), _TRIES * most):
        if len(references) == most:
            break
        examples = _drawn(asked[number], pool, max(counts), generator)
        found = {count: _with_examples(asked[number], examples, count, template) for count in counts}
        if any(row is None or len(row[0].input_ids) > max_tokens for row in found.values()):
            num_too_long += 1
            continue
        for count, row in found.items():
            assert row is not None
            rows[count].append(row[0])
            prompts[count].append(row[1])
        references.append(_turns(asked[number])[-1].content)
    if not references:
        problem = f"no held-out question fits into {max_tokens} tokens with {max(counts)} examples before it"
        raise DataError(problem, where=where, cure="fewer shots, or shorter rows")
    return ShotRows(rows, prompts, references, num_too_long)


def _turns(sample: Sample) -> tuple[Message, ...]:
    """Return a conversation up to its last answer in words; empty if it has none."""
    last = max((n for n, turn in enumerate(sample.messages) if turn.role == "assistant"), default=None)
    if last is None or not sample.messages[last].content or any(m.tool_calls for m in sample.messages):
        return ()
    return sample.messages[: last + 1]


def _drawn(
    question: Sample, pool: Sequence[Sample], count: int, generator: np.random.Generator
) -> list[tuple[Message, ...]]:
    """Return examples for a question: none of them asks the same."""
    first = _first_question(question)
    order = generator.permutation(len(pool))
    found = (_turns(pool[number]) for number in order if _first_question(pool[number]) != first)
    return [turns for turns, _ in zip(found, range(count), strict=False)]


def _first_question(sample: Sample) -> str:
    return next((turn.content.casefold().strip() for turn in sample.messages if turn.role == "user"), "")


def _with_examples(
    question: Sample, examples: Sequence[tuple[Message, ...]], count: int, template: ChatTemplate
) -> tuple[Example, list[int]] | None:
    """Return the row and the prompt of a question; None if the template cannot write it or examples are missing."""
    if len(examples) < count:
        return None
    turns = _turns(question)
    system = [turn for turn in turns if turn.role == "system"]
    # A template takes one system turn, at the begin: the question's.
    before = [t for example in examples[:count][::-1] for t in example if t.role != "system"]
    whole = [*system, *before, *(turn for turn in turns if turn.role != "system")]
    try:
        chat = template.encode(whole, (), "last_turn")
        prompt = template.prompt_ids(whole[:-1])
    except ConversationError:
        return None
    labels = np.asarray(chat.labels, dtype=np.int32)
    if not (labels[1:] != IGNORED).any():
        return None
    ids = np.asarray(chat.input_ids, dtype=np.int32)
    return Example(ids, labels, question.source, question.row), prompt
