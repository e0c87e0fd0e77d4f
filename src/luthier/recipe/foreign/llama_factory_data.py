"""LLaMA-Factory's data sets: names that ``dataset_info.json`` describes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from luthier.core.errors import Fault
from luthier.recipe.foreign.draft import Draft, Rule
from luthier.recipe.foreign.rules import names

_INFO = "dataset_info.json"
_COLUMNS = {
    "alpaca": {"prompt": "instruction", "query": "input", "response": "output"},
    "sharegpt": {"messages": "conversations"},
}
_SHARED_COLUMNS = {"system": "system", "tools": "tools", "history": "history"}
_TAGS = {"role_tag": "from", "content_tag": "value", "user_tag": "human", "assistant_tag": "gpt"}
_READ_ROLES = {
    "user_tag": ("human", "user"),
    "assistant_tag": ("gpt", "assistant", "model"),
    "observation_tag": ("observation", "tool"),
    "function_tag": ("function_call",),
    "system_tag": ("system",),
}


def datasets(path: str) -> Rule:
    """Return the rule of a key that names data sets, by commas; ``path`` is its place in the recipe."""

    def rule(draft: Draft, key: str) -> None:
        listed = names(draft.values[key])
        draft.put(key, path, [_source(draft, key, name) for name in listed])

    return rule


def _source(draft: Draft, key: str, name: str) -> dict[str, Any]:
    folder = str(draft.values.get("dataset_dir") or "data")
    entry = _entry(draft, f"{folder}/{_INFO}", name)
    is_text = draft.values.get("stage") == "pt"
    if entry is None:
        draft.notes.append(
            f"{key}: {name} is not described by a {folder}/{_INFO} that can be read: set its path, its schema "
            "and columns"
        )
        return {"path": (PurePath(folder) / name).as_posix()}
    file = entry.get("file_name")
    if not isinstance(file, str):
        hub = next((str(entry[k]) for k in ("hf_hub_url", "ms_hub_url", "script_url") if k in entry), name)
        draft.notes.append(
            f"{key}: {name} comes from {hub}: export it to a .jsonl or .parquet file and set its path"
        )
        file = hub
    else:
        file = (PurePath(folder) / file).as_posix()
    source: dict[str, Any] = {"path": draft.locate(file) or file}
    source.update(_schema(draft, key, name, entry, is_text=is_text))
    _list_rest(draft, key, name, entry)
    if is_text and file.endswith(".txt"):
        draft.notes.append(
            f"{key}: {name}: LLaMA-Factory takes each line of a .txt for a row, Luthier each paragraph"
        )
    return source


def _entry(draft: Draft, info: str, name: str) -> Mapping[str, Any] | None:
    found = draft.read_beside(info)
    if found is None:
        return None
    file, content = found
    try:
        known = json.loads(content)
    except json.JSONDecodeError as error:
        draft.faults.append(Fault(str(file), f"not valid JSON: {error}"))
        return None
    entry = known.get(name) if isinstance(known, dict) else None
    return entry if isinstance(entry, dict) else None


def _schema(draft: Draft, key: str, name: str, entry: Mapping[str, Any], *, is_text: bool) -> dict[str, Any]:
    """Return schema and columns of a source."""
    formatting = str(entry.get("formatting", "alpaca"))
    columns = entry.get("columns") if isinstance(entry.get("columns"), dict) else {}
    assert isinstance(columns, dict)
    if is_text:
        own = columns.get("prompt", "instruction")
        return {"schema": "text", **({"columns": {"text": own}} if own != "text" else {})}
    if formatting not in _COLUMNS:
        draft.drop(f"{name}.formatting", f"{formatting} is not read: set schema and columns", said=formatting)
        return {}
    ours = {**_COLUMNS[formatting], **_SHARED_COLUMNS}
    schema = formatting
    if formatting == "sharegpt":
        schema = _schema_of_tags(draft, name, entry.get("tags") or {})
        ours["messages"] = "messages" if schema == "messages" else "conversations"
    renamed = {ours[k]: v for k, v in columns.items() if k in ours and isinstance(v, str) and v != ours[k]}
    if formatting == "alpaca" and columns and "query" not in columns:
        draft.notes.append(f"{key}: {name}: a field `input` in the rows is read here and was ignored there")
    for column in columns.keys() - ours.keys():
        draft.drop(f"{name}.columns.{column}", "no counterpart: rows are text", said=columns[column])
    return {"schema": schema, **({"columns": renamed} if renamed else {})}


def _schema_of_tags(draft: Draft, name: str, tags: Mapping[str, Any]) -> str:
    pair = (tags.get("role_tag", _TAGS["role_tag"]), tags.get("content_tag", _TAGS["content_tag"]))
    schema = "messages" if pair == ("role", "content") else "sharegpt"
    for tag, value in tags.items():
        if tag in _READ_ROLES:
            if value not in _READ_ROLES[tag]:
                draft.drop(f"{name}.tags.{tag}", f"rename the role {value} in the rows", said=value)
        elif pair not in (("from", "value"), ("role", "content")):
            draft.drop(
                f"{name}.tags.{tag}", "rename the field: `from`/`value` or `role`/`content`", said=value
            )
    return schema


def _list_rest(draft: Draft, key: str, name: str, entry: Mapping[str, Any]) -> None:
    """List what else ``dataset_info.json`` says about a data set."""
    if entry.get("ranking"):
        problem = f"{name} holds ranked answers (ranking: true), which need preference training"
        draft.faults.append(Fault(key, problem, "Luthier trains sft and pt"))
    for more, why in _ENTRY_REST.items():
        if entry.get(more) is not None:
            draft.drop(f"{name}.{more}", why, said=entry[more])


_ENTRY_REST = {
    "subset": "export that part of the data set to a file",
    "split": "export that split to a file",
    "folder": "export that folder to a file",
    "num_samples": "a random choice there; `limit` of the source reads the first rows",
    "revision": "export that revision to a file",
}
