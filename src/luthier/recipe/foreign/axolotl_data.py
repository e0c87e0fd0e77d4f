"""Axolotl's data sets: a list of paths with types."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from luthier.core.errors import Fault
from luthier.recipe.foreign.draft import Draft, Rule, Untranslatable

_FILE_SUFFIXES = (".json", ".jsonl", ".csv", ".tsv", ".parquet", ".txt", ".gz")


def datasets(path: str) -> Rule:
    """Return the rule of a key that lists data sets; ``path`` is its place in the recipe."""

    def rule(draft: Draft, key: str) -> None:
        entries = draft.values[key]
        if not isinstance(entries, list) or not entries or not all(isinstance(e, dict) for e in entries):
            raise Untranslatable("a list of data sets, each with path and type, was expected")
        sources = [s for index, e in enumerate(entries) for s in _sources(draft, f"{key}[{index}]", e)]
        draft.put(key, path, sources)
        every = [*(draft.get("data.train") or ()), *(draft.get("data.eval.sources") or ())]
        if any(source.get("schema") == "text" for source in every):
            if not all(source.get("schema") == "text" for source in every):
                cure = "make two recipes: pretraining on text, then sft"
                draft.faults.append(Fault(key, "mixes completion with conversations", cure))
            draft.default("objective.name", "pretraining", "type: completion is raw text")

    return rule


def _sources(draft: Draft, place: str, entry: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the sources of one data set, one for each of its files."""
    path = entry.get("path")
    if not isinstance(path, str) or not path.strip():
        raise Untranslatable(f"{place} has no path")
    files = entry.get("data_files")
    listed = [files] if isinstance(files, str) else files if isinstance(files, list) else [None]
    kind = _schema(draft, place, entry)
    sources = []
    for file in listed:
        # A builder such as `json` stands for the files that data_files names; they start at no folder of its own.
        whole_path = path if file is None else str(file) if path in ("json", "csv", "parquet", "text") else (
            PurePath(path) / str(file)
        ).as_posix()  # fmt: skip
        located = draft.locate(whole_path)
        if located is None and not whole_path.endswith(_FILE_SUFFIXES):
            draft.notes.append(
                f"{place}: {whole_path} is a hub data set or a folder: export it to a .jsonl or .parquet file and "
                "set its path"
            )
        sources.append({"path": located or whole_path, **kind})
    _list_rest(draft, place, entry)
    return sources


def _schema(draft: Draft, place: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    kind = entry.get("type")
    if kind == "alpaca":
        draft.notes.append(
            f"{place}: type alpaca writes its own text around the instruction in Axolotl; here the chat template does"
        )
        return {"schema": "alpaca"}
    if kind == "completion":
        field = entry.get("field") or "text"
        return {"schema": "text", **({"columns": {"text": str(field)}} if field != "text" else {})}
    if kind == "sharegpt":
        field = entry.get("field_messages") or "conversations"
        return {
            "schema": "sharegpt",
            **({"columns": {"conversations": field}} if field != "conversations" else {}),
        }
    if kind == "chat_template":
        return _chat_schema(draft, place, entry)
    if kind is not None:
        draft.drop(
            f"{place}.type", "not read: the schema is detected; see the data sections' columns", said=kind
        )
    return {}


def _chat_schema(draft: Draft, place: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    mapping = entry.get("message_property_mappings")
    mapping = mapping if isinstance(mapping, dict) else {}
    role = mapping.get("role", entry.get("message_field_role", "role"))
    content = mapping.get("content", entry.get("message_field_content", "content"))
    field = str(entry.get("field_messages") or "messages")
    if (role, content) not in (("role", "content"), ("from", "value")):
        why = "rename the fields of the turns: `role`/`content` or `from`/`value`"
        draft.drop(f"{place}.message_property_mappings", why, said=[role, content])
    schema, ours = ("sharegpt", "conversations") if role == "from" else ("messages", "messages")
    return {"schema": schema, **({"columns": {ours: field}} if field != ours else {})}


_READ_FIELDS = {
    "path", "type", "data_files", "field", "field_messages", "message_property_mappings", "message_field_role",
    "message_field_content",
}  # fmt: skip
_SAME = {
    "split": ("train",),
    "ds_type": ("json", "csv", "parquet", "text"),
    "roles_to_train": (["assistant"], ["gpt"], ["gpt", "assistant"], ["assistant", "gpt"]),
    "train_on_eos": ("turn",),
    "train_on_eot": ("turn",),
    "chat_template": ("tokenizer_default",),
}
_ENTRY_REST = {
    "split": "export that split to a file; for its first rows set `limit`",
    "name": "export that part of the data set to a file",
    "shards": "set `limit` to read the first rows",
    "roles": "rename the roles in the rows",
    "roles_to_train": "only the assistant's turns carry loss, or all tokens with objective.loss_on: all",
    "train_on_eos": "the end token of every trained turn is trained",
    "train_on_eot": "the end token of every trained turn is trained",
    "chat_template": "one template for all rows: data.chat_template",
    "conversation": "one template for all rows: data.chat_template",
    "message_field_training": "give the turns of `messages` rows a `weight` of 0 or 1",
}


def _list_rest(draft: Draft, place: str, entry: Mapping[str, Any]) -> None:
    for name, value in entry.items():
        if name in _READ_FIELDS or value is None or value is False:
            continue
        if value in _SAME.get(name, ()):
            draft.unneeded(f"{place}.{name}", "so it is here", said=value)
        else:
            draft.drop(
                f"{place}.{name}",
                _ENTRY_REST.get(name, "`luthier import` does not know this key"),
                said=value,
            )
