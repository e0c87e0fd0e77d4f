"""Exact duplicates: rows with the same content as an earlier one."""

from __future__ import annotations

import json

import xxhash

from luthier.data.sample import Sample


def content_hash(sample: Sample) -> bytes:
    """Return 16 bytes that identify what a row says, wherever it stands."""
    turns = [[m.role, m.content, [dict(c) for c in m.tool_calls], m.weight] for m in sample.messages]
    content = [turns, sample.text, [dict(tool) for tool in sample.tools]]
    return xxhash.xxh3_128_digest(
        json.dumps(content, ensure_ascii=False, sort_keys=True).encode("utf-8", "surrogatepass")
    )


class ExactDuplicates:
    """Remembers what was seen, 16 bytes and a place each."""

    def __init__(self) -> None:
        self._seen: dict[bytes, str] = {}

    def place_of(self, sample: Sample) -> str | None:
        """Return where an equal row stood before, or None; nothing is remembered."""
        return self._seen.get(content_hash(sample))

    def first_place(self, sample: Sample) -> str | None:
        """Return where an equal row stood before, or None and remember this one."""
        key = content_hash(sample)
        if key in self._seen:
            return self._seen[key]
        self._seen[key] = sample.place
        return None
