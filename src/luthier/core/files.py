"""Atomic files and folders: what exists is complete, whatever kills the process."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from luthier.core.hashing import hash_file

_PARTIAL_PREFIX = ".partial-"
_REPLACED_PREFIX = ".replaced-"


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to the disk, so that a rename inside it survives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file atomically: readers see the old content or the new, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{_PARTIAL_PREFIX}{os.getpid()}-{path.name}")
    try:
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        with suppress(OSError):
            partial.unlink()
        raise
    sync_folder(path.parent)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    write_bytes(path, text.encode("utf-8", "surrogatepass"))


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON atomically; non-ASCII text stays readable."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")


def strict_json(value: Any) -> Any:
    """Return a JSON-like value with null for what JSON has no number for: infinity and NaN."""
    if isinstance(value, Mapping):
        return {name: strict_json(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [strict_json(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_json(path: Path) -> Any:
    """Read a JSON file."""
    return json.loads(path.read_bytes().decode("utf-8", "surrogatepass"))


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """Yield a scratch folder that becomes ``target`` only when the block ends without an error.

    An existing ``target`` is replaced. Every file is flushed before the rename. Two renames replace a
    folder; what a kill between them leaves is put right by `remove_partial`.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{_PARTIAL_PREFIX}{os.getpid()}-{target.name}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        yield partial
        _sync_tree(partial)
        _put_in_place(partial, target)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _sync_tree(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_dir():
            sync_folder(path)
        elif path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
    sync_folder(folder)


def _put_in_place(partial: Path, target: Path) -> None:
    """Rename ``partial`` to ``target``; the old folder is deleted only when the new one stands."""
    replaced = target.with_name(f"{_REPLACED_PREFIX}{target.name}")
    if target.exists():
        shutil.rmtree(replaced, ignore_errors=True)
        target.replace(replaced)
    try:
        partial.replace(target)
    except BaseException:
        if replaced.exists():
            replaced.replace(target)
        raise
    sync_folder(target.parent)
    shutil.rmtree(replaced, ignore_errors=True)


def remove_partial(folder: Path) -> list[Path]:
    """Delete half-written leftovers of a killed process in ``folder`` and return what was deleted.

    A folder that was about to be replaced, and has no successor yet, gets its name back.
    """
    if not folder.is_dir():
        return []
    leftovers = list(folder.glob(f"{_PARTIAL_PREFIX}*"))
    for replaced in folder.glob(f"{_REPLACED_PREFIX}*"):
        target = folder / replaced.name.removeprefix(_REPLACED_PREFIX)
        if target.exists():
            leftovers.append(replaced)
        else:
            replaced.replace(target)
    for path in leftovers:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return leftovers


def manifest_of(folder: Path, *, exclude: tuple[str, ...] = ()) -> dict[str, dict[str, Any]]:
    """Return size in bytes and SHA-256 of every file below ``folder``, by relative path."""
    return {
        str(path.relative_to(folder)): {"bytes": path.stat().st_size, "sha256": hash_file(path)}
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in exclude
    }


def manifest_faults(folder: Path, manifest: dict[str, dict[str, Any]]) -> list[str]:
    """Compare the files below ``folder`` with a manifest and return one sentence per difference."""
    faults = []
    for name, entry in manifest.items():
        path = folder / name
        if not path.is_file():
            faults.append(f"{name} is missing")
        elif path.stat().st_size != entry["bytes"]:
            faults.append(f"{name} has {path.stat().st_size} bytes, {entry['bytes']} were written")
        elif hash_file(path) != entry["sha256"]:
            faults.append(f"{name} has another content than was written (hash differs)")
    return faults
