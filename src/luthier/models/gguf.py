"""GGUF files: dequantized once into a plain folder in the cache, and checked at every use."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from luthier.core.errors import ModelError
from luthier.core.files import atomic_folder, manifest_faults, manifest_of, read_json, write_json
from luthier.core.hashing import short
from luthier.core.home import cache_folder

_CONVERSION_FILE = "conversion.json"
_log = logging.getLogger(__name__)


def converted(gguf: Path, *, label: str, sha256: str) -> Path:
    """Return the GGUF file's conversion from the cache; a damaged or missing one is made (again).

    Args:
        gguf: The file.
        label: Start of the folder's name.
        sha256: Hash of the file.

    Raises:
        ModelError: The file is no GGUF model.
    """
    folder = cache_folder() / "bases" / f"{label}-{short(sha256)}"
    if not _is_whole(folder, sha256):
        _convert_gguf(gguf, folder, sha256)
    return folder


def _is_whole(folder: Path, sha256: str) -> bool:
    try:
        conversion = read_json(folder / _CONVERSION_FILE)
    except (FileNotFoundError, ValueError):
        return False
    return conversion["source_sha256"] == sha256 and not manifest_faults(folder, conversion["files"])


def _convert_gguf(gguf: Path, folder: Path, sha256: str) -> None:
    """Dequantize a GGUF file once into a plain folder in bfloat16."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    _log.warning("converting %s into %s, once", gguf.name, folder)
    try:
        model: Any = AutoModelForCausalLM.from_pretrained(
            gguf.parent, gguf_file=gguf.name, dtype=torch.float32
        )
        tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    except Exception as error:  # broken bytes raise whatever they lead the reader to
        raise ModelError(f"{gguf} cannot be read as a GGUF model: {error}") from error
    # transformers refuses to save a model that still calls itself quantized.
    del model.config.quantization_config
    model.hf_quantizer = None
    with atomic_folder(folder) as partial:
        model.to(torch.bfloat16).save_pretrained(partial)
        tokenizer.save_pretrained(partial)
        write_json(partial / _CONVERSION_FILE, {"source_sha256": sha256, "files": manifest_of(partial)})
