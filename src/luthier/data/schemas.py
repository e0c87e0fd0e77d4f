"""Schemas of rows: detected from their fields, converted to samples once, at the edge."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from luthier.core.errors import DataError
from luthier.data.labelled_rows import classification, question_answering, token_classification
from luthier.data.row_fields import RowError, filled_text_of, from_json, list_of, name_of, text_of, type_name
from luthier.data.sample import ROLES, Answer, Message, Sample
from luthier.data.sources import num_surplus

__all__ = [
    "FIELDS",
    "FIELDS_OF_EVERY_SCHEMA",
    "RowError",
    "convert",
    "detect_schema",
    "refuse_preferences",
    "schema_of",
]

FIELDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "sharegpt": (("conversations",), ("system", "tools")),
    "messages": (("messages",), ("tools",)),
    "alpaca": (("instruction", "output"), ("input", "system", "history")),
    "prompt_completion": (("prompt", "completion"), ("tools",)),
    "question_answering": (("question", "context", "answers"), ()),
    "token_classification": (("tokens", "tags"), ()),
    "classification": (("text", "label"), ("text_pair",)),
    "text": (("text",), ()),
}
"""The fields that make a schema and those that it may have besides, in the order schemas are looked for."""

FIELDS_OF_EVERY_SCHEMA = ("weight", "task")

_WITHOUT_ANSWERS = ("question_answering", "token_classification", "classification")
"""Schemas whose label is the target, not a verdict on an answer."""

_SHAREGPT_ROLES = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "model": "assistant",
    "system": "system",
    "function_call": "function_call",
    "observation": "tool",
    "tool": "tool",
}


def schema_of(row: Any) -> str | None:
    """Return the schema that a row's fields make, or None."""
    if not isinstance(row, Mapping):
        return None
    return next((name for name, (needed, _) in FIELDS.items() if row.keys() >= set(needed)), None)


def detect_schema(rows: Sequence[tuple[int, Any]], where: str) -> str:
    """Return the schema of the first rows of a file.

    Raises:
        DataError: No row has a known schema, or two rows have different ones.
    """
    found: dict[str, int] = {}
    for number, row in rows:
        if schema := schema_of(row):
            found.setdefault(schema, number)
    if not found:
        first = rows[0][1]
        fields = ", ".join(map(str, first)) if isinstance(first, Mapping) else f"a {type(first).__name__}"
        known = "; ".join(f"{name}: {' + '.join(needed)}" for name, (needed, _) in FIELDS.items())
        raise DataError(
            f"no known schema: the first row has {fields or 'no fields'}",
            where=where,
            cure=f"known schemas are {known}; name your columns with `columns:`",
        )
    if len(found) > 1:
        each = ", ".join(f"{name} (row {row})" for name, row in found.items())
        raise DataError(f"mixes schemas: {each}", where=where, cure="split the file, one schema each")
    return next(iter(found))


def refuse_preferences(rows: Sequence[tuple[int, Any]], where: str) -> None:
    """Refuse rows that rate answers: trained as they stand, the bad answers would be learnt too.

    Raises:
        DataError: A row has chosen and rejected answers, or an answer with a verdict.
    """
    for number, row in rows:
        if not isinstance(row, Mapping):
            continue
        pair = {"chosen", "rejected"} <= row.keys()
        verdict = next((k for k in ("label", "kto_tag") if isinstance(row.get(k), bool)), None)
        is_verdict = verdict == "kto_tag" or schema_of(row) not in _WITHOUT_ANSWERS
        if pair or (verdict and schema_of(row) and is_verdict):
            what = "chosen and rejected answers" if pair else f"answers with a verdict ({verdict})"
            raise DataError(
                f"row {number} has {what}: sft would learn good and bad answers alike",
                where=where,
                cure="keep the good answers only; to train on all of them all the same, name the `schema`",
            )


def convert(
    row: Any,
    schema: str,
    *,
    source: str,
    number: int,
    group: str | None = None,
    attributes: Mapping[str, str] | None = None,
    roles: Collection[str] | None = (),
) -> Sample:
    """Return the sample that a row holds.

    Args:
        row: As it was read, its columns renamed.
        schema: One of `FIELDS`.
        source: Path of the file, as the recipe names it.
        number: Of the row in the file, from 1.
        group: Rows with the same group stay on one side of a split.
        attributes: Columns for analysis.
        roles: Roles of messages beyond the four that are known; None for any, where they were looked at before.

    Raises:
        RowError: A field is missing or of the wrong type, or the conversation is none.
    """
    if not isinstance(row, Mapping):
        raise RowError("not_an_object", f"the row is {type_name(row)}, an object was expected")
    if surplus := num_surplus(row):
        raise RowError("surplus_fields", f"the row has {surplus} fields more than the header")
    if missing := [name for name in FIELDS[schema][0] if name not in row]:
        raise RowError("missing_field", f"field {missing[0]} of schema {schema} is missing")
    fields = {**_CONVERTERS[schema](row), "weight": _weight(row), "task": _task(row)}
    _check_storable([fields, group, attributes])
    if "messages" in fields:
        _check_roles(fields["messages"], roles)
        _check_conversation(fields["messages"])
    return Sample(source=source, row=number, group=group, attributes=attributes or {}, **fields)


def _weight(row: Mapping[str, Any]) -> float:
    """Return the share of the row in the loss; tables hold it as text, an empty field is 1."""
    value = row.get("weight")
    if value is None or value == "":
        return 1.0
    try:
        weight = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        weight = math.nan
    if not 0.0 < weight < math.inf:
        raise RowError("bad_weight", f"weight is {str(value)[:40]!r}, a positive number was expected")
    return weight


def _task(row: Mapping[str, Any]) -> str | None:
    value = row.get("task")
    return None if value is None or value == "" else name_of(value, "task")


def _alpaca(row: Mapping[str, Any]) -> dict[str, Any]:
    turns = []
    if system := text_of(row, "system", optional=True):
        turns.append(Message("system", system))
    history = row.get("history")
    for index, pair in enumerate([] if history in (None, "") else list_of(row, "history")):
        if not (isinstance(pair, list) and len(pair) == 2 and all(isinstance(t, str) for t in pair)):
            raise RowError(
                "wrong_type", f"history[{index}] is {type_name(pair)}, a pair of strings was expected"
            )
        turns += [Message("user", pair[0]), Message("assistant", pair[1])]
    instruction, extra = text_of(row, "instruction"), text_of(row, "input", optional=True)
    turns.append(Message("user", f"{instruction}\n{extra}" if extra else instruction))
    turns.append(Message("assistant", text_of(row, "output")))
    return {"messages": tuple(turns)}


def _sharegpt(row: Mapping[str, Any]) -> dict[str, Any]:
    turns = []
    if system := text_of(row, "system", optional=True):
        turns.append(Message("system", system))
    for index, entry in enumerate(list_of(row, "conversations")):
        place = f"conversations[{index}]"
        role = _SHAREGPT_ROLES.get(text_of(entry, "from", place=place))
        if role is None:
            known = ", ".join(_SHAREGPT_ROLES)
            raise RowError("unknown_role", f"{place}.from is {entry['from']!r}; known: {known}")
        value = text_of(entry, "value", place=place)
        turns.append(_function_call(value, place) if role == "function_call" else Message(role, value))
    return {"messages": tuple(turns), "tools": _tools(row)}


def _function_call(value: str, place: str) -> Message:
    """Return the assistant turn of a ShareGPT function_call, whose value is JSON: one call or a list."""
    calls = from_json(value, "bad_tool_call", f"{place}.value is")
    listed = calls if isinstance(calls, list) else [calls]
    return Message("assistant", "", tool_calls=tuple(_call(call, place) for call in listed))


def _call(call: Any, place: str) -> dict[str, Any]:
    call = call.get("function", call) if isinstance(call, Mapping) else call
    if not isinstance(call, Mapping) or not isinstance(call.get("name"), str):
        raise RowError(
            "bad_tool_call", f"{place} holds {type_name(call)}, an object with a name was expected"
        )
    arguments = call.get("arguments", call.get("parameters"))
    if isinstance(arguments, str):
        arguments = from_json(arguments, "bad_tool_call", f"{place}: the arguments are")
    if arguments is None:
        arguments = {}
    if not isinstance(arguments, Mapping):
        raise RowError("bad_tool_call", f"{place}: the arguments are {type_name(arguments)}, not an object")
    return {"name": call["name"], "arguments": arguments}


def _messages(row: Mapping[str, Any]) -> dict[str, Any]:
    entries = list_of(row, "messages")
    turns = tuple(_message(entry, f"messages[{index}]") for index, entry in enumerate(entries))
    return {"messages": turns, "tools": _tools(row)}


def _message(entry: Mapping[str, Any], place: str) -> Message:
    role = text_of(entry, "role", place=place)
    role = "system" if role == "developer" else role
    weight = 1 if entry.get("weight") is None else entry["weight"]
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight < math.inf:
        raise RowError("wrong_type", f"{place}.weight is {weight!r}, a number from 0 was expected")
    called = list_of(entry, "tool_calls", place=place) if entry.get("tool_calls") is not None else []
    calls = tuple(_call(call, f"{place}.tool_calls") for call in called)
    if calls and role != "assistant":
        raise RowError("wrong_type", f"{place} is a {role} turn with tool_calls: only the assistant calls")
    content = entry.get("content")
    if isinstance(content, list):
        content = "".join(_part(part, place) for part in content)
    if content is None and calls:
        content = ""
    if not isinstance(content, str):
        raise RowError("wrong_type", f"{place}.content is {type_name(content)}, a string was expected")
    return Message(role, content, tool_calls=calls, weight=weight)


def _part(part: Any, place: str) -> str:
    if not isinstance(part, Mapping) or part.get("type") != "text" or not isinstance(part.get("text"), str):
        raise RowError("not_text", f"{place}.content has a part that is not text")
    return str(part["text"])


def _prompt_completion(row: Mapping[str, Any]) -> dict[str, Any]:
    prompt, completion = row["prompt"], row["completion"]
    if isinstance(prompt, list) and isinstance(completion, list):
        context = [_message(entry, f"prompt[{index}]") for index, entry in enumerate(prompt)]
        answer = [_message(entry, f"completion[{index}]") for index, entry in enumerate(completion)]
        unweighted = [replace(message, weight=0) for message in context]
        return {"messages": (*unweighted, *answer), "tools": _tools(row)}
    return {
        "messages": (
            Message("user", text_of(row, "prompt")),
            Message("assistant", text_of(row, "completion")),
        )
    }


def _raw_text(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"text": filled_text_of(row, "text")}


_CONVERTERS: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "alpaca": _alpaca,
    "sharegpt": _sharegpt,
    "messages": _messages,
    "prompt_completion": _prompt_completion,
    "question_answering": question_answering,
    "token_classification": token_classification,
    "classification": classification,
    "text": _raw_text,
}


def _tools(row: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """Return the tools of a row, given as a list or as JSON text."""
    tools = row.get("tools")
    if isinstance(tools, str):
        tools = from_json(tools, "bad_tools", "tools is") if tools.strip() else None
    if tools is None:
        return ()
    if not isinstance(tools, list) or not all(isinstance(tool, Mapping) for tool in tools):
        raise RowError("bad_tools", f"tools is {type_name(tools)}, a list of objects was expected")
    return tuple(tools)


def _check_roles(turns: Sequence[Message], roles: Collection[str] | None) -> None:
    for index, turn in enumerate(turns):
        if turn.role not in ROLES and roles is not None and turn.role not in roles:
            known = f"known: {', '.join((*ROLES, *roles))}, and those in the source's `roles`"
            detail = f"messages[{index}].role is {turn.role!r}; {known}"
            raise RowError("unknown_role", detail)


def _check_conversation(turns: Sequence[Message]) -> None:
    """Refuse what cannot be trained as a conversation."""
    spoken = [turn for turn in turns if turn.role != "system"]
    if not spoken:
        raise RowError("empty", "the conversation has no turns")
    if spoken[0].role == "assistant":
        raise RowError(
            "starts_with_assistant", "the conversation starts with the assistant: nothing asks for it"
        )
    if not any(turn.role == "assistant" for turn in spoken):
        raise RowError("no_answer", "the conversation has no assistant turn")
    for index, turn in enumerate(turns):
        if turn.role == "assistant" and not turn.content.strip() and not turn.tool_calls:
            raise RowError("empty_answer", f"turn {index + 1} is an assistant turn that says nothing")


def _check_storable(parts: list[Any]) -> None:
    """Refuse half a surrogate pair (a cut-off escape in JSON) and values of Parquet that JSON has no form for."""
    try:
        json.dumps(parts, ensure_ascii=False, default=_turn_or_answer).encode()
    except UnicodeEncodeError as error:
        raise RowError("broken_unicode", "the text holds half of a surrogate pair") from error
    except TypeError as error:
        raise RowError("wrong_type", f"a tool or its call holds what JSON cannot: {error}") from error


def _turn_or_answer(value: Any) -> Any:
    if isinstance(value, Message):
        return [value.content, list(value.tool_calls)]
    if isinstance(value, Answer):
        return value.text
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")
