"""Rows with a target that is no answer in words: a class, tags, or spans of a context."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from luthier.data.row_fields import RowError, filled_text_of, list_of, name_of, text_of, type_name
from luthier.data.sample import Answer

Fields = dict[str, Any]
"""Arguments of a sample."""


def classification(row: Mapping[str, Any]) -> Fields:
    """Convert a text, or a pair of texts, with its class; a list holds several classes, or none."""
    label = row["label"]
    entries = label if isinstance(label, list) else [label]
    place = "label[{}]" if isinstance(label, list) else "label"
    labels = tuple(name_of(entry, place.format(index)) for index, entry in enumerate(entries))
    if twice := next((name for name in labels if labels.count(name) > 1), None):
        raise RowError("repeated_label", f"label names {twice!r} twice")
    pair = None if row.get("text_pair") is None else filled_text_of(row, "text_pair")
    return {"text": filled_text_of(row, "text"), "text_pair": pair, "labels": labels}


def token_classification(row: Mapping[str, Any]) -> Fields:
    """Convert words and a tag for each."""
    tokens, tags = list_of(row, "tokens"), list_of(row, "tags")
    for index, token in enumerate(tokens):
        if not isinstance(token, str):
            raise RowError("wrong_type", f"tokens[{index}] is {type_name(token)}, a string was expected")
        if not token.strip():
            raise RowError("empty_token", f"tokens[{index}] is empty")
    if not tokens:
        raise RowError("empty", "tokens is empty")
    if len(tokens) != len(tags):
        raise RowError(
            "length_mismatch",
            f"tags has {len(tags)} entries, as many as tokens ({len(tokens)}) were expected",
        )
    named = tuple(name_of(tag, f"tags[{index}]") for index, tag in enumerate(tags))
    return {"tokens": tuple(tokens), "tags": named}


def question_answering(row: Mapping[str, Any]) -> Fields:
    """Convert a question, its context, and the spans that answer it: none where the context does not.

    Answers stand as in SQuAD's file, ``[{"text", "answer_start"}]``, or as in the hub's copy of it,
    ``{"text": [...], "answer_start": [...]}``.
    """
    context = filled_text_of(row, "context")
    answers = tuple(
        _answer(entry, f"answers[{index}]", context) for index, entry in enumerate(_answers(row["answers"]))
    )
    return {"question": filled_text_of(row, "question"), "context": context, "answers": answers}


def _answers(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        texts, starts = (
            list_of(value, "text", place="answers"),
            list_of(value, "answer_start", place="answers"),
        )
        if len(texts) != len(starts):
            raise RowError(
                "length_mismatch",
                f"answers.answer_start has {len(starts)} entries, as many as answers.text ({len(texts)}) were expected",
            )
        return [{"text": text, "answer_start": start} for text, start in zip(texts, starts, strict=True)]
    if not isinstance(value, list):
        raise RowError("wrong_type", f"answers is {type_name(value)}, a list was expected")
    return value


def _answer(entry: Any, place: str, context: str) -> Answer:
    text = text_of(entry, "text", place=place)
    start = entry.get("answer_start")
    if not isinstance(start, int) or isinstance(start, bool):
        raise RowError("wrong_type", f"{place}.answer_start is {type_name(start)}, a number was expected")
    if not text.strip():
        raise RowError("empty_answer", f"{place}.text is empty")
    if start >= 0 and context.startswith(text, start):
        return Answer(text, start)
    if text not in context:
        raise RowError("answer_not_in_context", f"{place}.text, {text[:60]!r}, does not stand in the context")
    found = context[max(start, 0) : max(start, 0) + len(text)]
    raise RowError(
        "answer_at_other_offset",
        f"{place}.answer_start is {start}, where the context has {found[:60]!r}; {text[:60]!r} stands at "
        f"{context.index(text)}",
    )
