"""Valid files of every kind and schema, and random mutations of them."""

from __future__ import annotations

import copy
import csv
import io
import json
from collections.abc import Callable
from random import Random
from typing import Any

import pyarrow
import pyarrow.parquet

_LANGUAGE_ROWS = [
    "你好，世界。",
    "How are you?",
    "浣犲ソ",
    'a,b\n"c"\td',
    "",
    "👍🏽 naïve",
    "x" * 300,
    "=1+1",
]

SCHEMAS: dict[str, Callable[[Random], dict[str, Any]]] = {
    "alpaca": lambda r: {"instruction": _text(r), "input": _text(r), "output": _text(r)},
    "text": lambda r: {"text": _text(r)},
    "classification": lambda r: {"text": _text(r), "label": r.choice("abc")},
    "prompt_completion": lambda r: {"prompt": _text(r), "completion": _text(r)},
    "sharegpt": lambda r: {
        "conversations": [{"from": role, "value": _text(r)} for role in ("human", "gpt")],
        "system": "s",
        "tools": '[{"name": "f"}]',
    },
    "messages": lambda r: {
        "messages": [
            {"role": "user", "content": _text(r)},
            {"role": "assistant", "content": "", "tool_calls": [{"name": "f", "arguments": {"a": 1}}]},
            {"role": "tool", "content": "1"},
            {"role": "assistant", "content": [{"type": "text", "text": _text(r)}], "weight": 1},
        ]
    },
    "question_answering": lambda r: {
        "question": "wo?",
        "context": "hier und da",
        "answers": {"text": ["hier"], "answer_start": [0]},
    },
    "token_classification": lambda r: {"tokens": ["Anna", "lebt"], "tags": ["B-PER", "O"]},
}
_FLAT = ("alpaca", "text", "classification", "prompt_completion")
KINDS = ("jsonl", "json", "csv", "tsv", "parquet", "txt")
_ODD: tuple[Any, ...] = (
    None, True, 0, -1, 2**70, 1.5, float("nan"), float("inf"), "", " ", "\ud800", "\udc00x", "\x00", [], {},
    [[]], [None], {"a": {}}, "x" * 70_000, [[[[[[1]]]]]], {"": ""}, {"*": "s"}, {"a/b~c": "s"}, "(surplus fields)",
)  # fmt: skip
_PIECES = (
    b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b'"', b"\\", b"\\ud83d", b"\n", b"\r", b"\r\n\r\n", b",", b"\t", b"{", b"}",
    b"[", b"]", b":", b"null", b"NaN", b"-Infinity", b"1e999", b"9" * 30, b"9" * 5000, b"[" * 3000, "，".encode(),
    "\u2028\u0085\ufeff".encode(), b"\xed\xa0\x80", b"\xc0\x80", b'{"text": "x"}\n', b"text,text\n", b'"unclosed',
)  # fmt: skip


def mutated_file(random: Random) -> tuple[str, bytes]:
    """Return the kind and the bytes of a valid file after some mutations."""
    kind = random.choice(KINDS)
    schema = "text" if kind == "txt" else random.choice(_FLAT if kind in ("csv", "tsv") else list(SCHEMAS))
    rows: list[Any] = [SCHEMAS[schema](random) for _ in range(random.choice((1, 3, 8)))]
    if random.random() < 0.6:
        for _ in range(random.choice((1, 1, 3))):
            rows = _with_odd_value(rows, random)
    data = _ENCODERS[kind](rows)
    if random.random() < 0.6:
        for _ in range(random.choice((1, 1, 2, 5))):
            data = _with_odd_bytes(data, random)
    return kind, data


def _text(random: Random) -> str:
    return random.choice(_LANGUAGE_ROWS)


def _with_odd_value(rows: list[Any], random: Random) -> list[Any]:
    """Replace, remove, rename or double one value, somewhere in the rows."""
    rows = copy.deepcopy(rows)
    place: Any = rows
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            return rows
        key = random.choice(keys)
        if isinstance(place[key], dict | list) and place[key] and random.random() < 0.8:
            place = place[key]
            continue
        action = random.choice(("replace", "replace", "remove", "add"))
        if action == "remove":
            del place[key]
        elif action == "add":
            value = copy.deepcopy(random.choice((place[key], *_ODD)))
            if isinstance(place, dict):
                place[random.choice(("text", "label", "weight", "", "a.b", "(surplus fields)", "\ud800"))] = (
                    value
                )
            else:
                place.insert(random.randint(0, len(place)), value)
        else:
            place[key] = copy.deepcopy(random.choice(_ODD))
        return rows


def _with_odd_bytes(data: bytes, random: Random) -> bytes:
    start = random.randint(0, len(data))
    end = min(len(data), start + random.choice((1, 2, 8, 100)))
    action = random.choice(("flip", "delete", "double", "insert", "truncate"))
    if action == "flip" and start < len(data):
        return data[:start] + bytes([data[start] ^ (1 << random.randrange(8))]) + data[start + 1 :]
    if action == "delete":
        return data[:start] + data[end:]
    if action == "double":
        return data[:end] + data[start:]
    if action == "truncate":
        return data[:start]
    return data[:start] + random.choice(_PIECES) + data[start:]


def _jsonl(rows: list[Any]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def _json(rows: list[Any]) -> bytes:
    return json.dumps(rows, indent=1).encode()


def _table(delimiter: str) -> Callable[[list[Any]], bytes]:
    def table(rows: list[Any]) -> bytes:
        file = io.StringIO(newline="")
        writer = csv.writer(file, delimiter=delimiter)
        header = next((list(row) for row in rows if isinstance(row, dict)), ["text"])
        writer.writerow(header)
        for row in rows:
            writer.writerow(list(row.values()) if isinstance(row, dict) else [row])
        return file.getvalue().encode("utf-8", "surrogatepass")

    return table


def _parquet(rows: list[Any]) -> bytes:
    file = io.BytesIO()
    try:
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), file)
    except (pyarrow.ArrowException, AttributeError, TypeError, UnicodeEncodeError, OverflowError):
        file = io.BytesIO()
        texts = [str(number) for number in range(len(rows))]
        pyarrow.parquet.write_table(pyarrow.table({"text": texts}), file)
    return file.getvalue()


def _txt(rows: list[Any]) -> bytes:
    texts = (str(row.get("text", "")) if isinstance(row, dict) else str(row) for row in rows)
    return "\n\n".join(texts).encode("utf-8", "surrogatepass")


_ENCODERS: dict[str, Callable[[list[Any]], bytes]] = {
    "jsonl": _jsonl,
    "json": _json,
    "csv": _table(","),
    "tsv": _table("\t"),
    "parquet": _parquet,
    "txt": _txt,
}
