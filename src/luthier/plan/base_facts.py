"""What is known of a base before any weight is loaded: its configuration and the shapes of its tensors."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from luthier.core.errors import ModelError
from luthier.core.files import read_json

_BEHIND_PAD = frozenset({"camembert", "roberta", "roberta-prelayernorm", "xlm-roberta", "xlm-roberta-xl"})
"""Families that count positions from behind their pad token, so that the first few rows are never used."""
_LAYER = re.compile(r"\.(?:layers?|h|blocks)\.(\d+)\.")


@dataclass(frozen=True)
class BaseFacts:
    """Configuration and tensor shapes of a base.

    Args:
        folder: Where it lies, in Hugging Face layout.
        architecture: Class name, e.g. ``LlamaForCausalLM``.
        model_type: Family, e.g. ``llama``.
        max_positions: Longest sequence it was made for, in tokens.
        vocab_size: Rows of the embedding.
        num_heads: Attention heads of a layer.
        shapes: Shape of every tensor in the weight files, by name; tied tensors appear once.
        head: Those of them that belong to a task's head, which trains whatever the method; none for language models.
    """

    folder: Path
    architecture: str
    model_type: str
    max_positions: int
    vocab_size: int
    num_heads: int
    shapes: Mapping[str, tuple[int, ...]]
    head: frozenset[str] = frozenset()

    @property
    def num_head_parameters(self) -> int:
        """Parameters of the task's head."""
        return sum(self.num_parameters_of(name) for name in self.head)

    @property
    def num_parameters(self) -> int:
        """Parameters in the weight files; tied ones count once."""
        return sum(_size(shape) for shape in self.shapes.values())

    def num_parameters_of(self, name: str) -> int:
        """Parameters of one tensor."""
        return _size(self.shapes[name])

    @property
    def num_layers(self) -> int:
        """Decoder layers."""
        return 1 + max((n for name in self.shapes if (n := layer_of(name)) is not None), default=-1)

    @property
    def hidden_size(self) -> int:
        """Columns of the embedding; 0 where none has as many rows as the vocabulary."""
        tables = (s for s in self.shapes.values() if len(s) == 2 and s[0] == self.vocab_size)
        return next((columns for _, columns in tables), 0)

    @property
    def is_causal_lm(self) -> bool:
        """Whether the model predicts the next token."""
        return self.architecture.endswith(("ForCausalLM", "LMHeadModel", "ForConditionalGeneration"))

    def linear_layers(self) -> dict[str, tuple[int, int]]:
        """Return (out, in) of each linear layer inside the decoder layers, by module name.

        Embeddings and the head are left out: ``all-linear`` in PEFT leaves them out too.
        """
        return {
            name.removesuffix(".weight"): (shape[0], shape[1])
            for name, shape in self.shapes.items()
            if name.endswith(".weight") and len(shape) == 2 and layer_of(name) is not None
        }


def layer_of(name: str) -> int | None:
    """Return the decoder layer that a tensor belongs to, or None."""
    match = _LAYER.search(name)
    return int(match.group(1)) if match else None


def positions_of(config: Mapping[str, Any]) -> int:
    """Return the longest sequence of a model, in tokens; without a bound, a number beyond any text.

    Args:
        config: Content of ``config.json``, or of its text part.
    """
    positions = int(config.get("max_position_embeddings") or config.get("n_positions") or 1 << 30)
    if config.get("model_type") in _BEHIND_PAD:
        positions -= int(config.get("pad_token_id") or 0) + 1
    return positions


def read_base_facts(folder: Path) -> BaseFacts:
    """Read ``config.json`` and the headers of the safetensors files.

    Raises:
        ModelError: A file is not what its name says.
    """
    path = folder / "config.json"
    try:
        config = _mapping(read_json(path))
        text_config = _mapping(config.get("text_config") or config)
        architecture = str((list(config.get("architectures") or []) or ["unknown"])[0])
        max_positions, vocab_size = positions_of(text_config), int(text_config.get("vocab_size", 0))
        num_heads = int(text_config.get("num_attention_heads") or text_config.get("n_head") or 1)
    except (OSError, ValueError, TypeError) as error:
        raise ModelError(f"{path} cannot be read: {error}") from error
    shapes: dict[str, tuple[int, ...]] = {}
    for weights in weight_files(folder):
        shapes.update(_header_shapes(weights))
    return BaseFacts(
        folder=folder,
        architecture=architecture,
        model_type=str(config.get("model_type", "unknown")),
        max_positions=max_positions,
        vocab_size=vocab_size,
        num_heads=num_heads,
        shapes=shapes,
    )


def _mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"a JSON object was expected, this is a {type(value).__name__}")
    return value


def weight_files(folder: Path) -> list[Path]:
    """Return the files that transformers loads: other copies of the weights may lie beside them."""
    whole, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if whole.is_file():
        return [whole]
    if not index.is_file():
        return sorted(folder.glob("*.safetensors"))
    try:
        names = sorted({str(name) for name in _mapping(_mapping(read_json(index))["weight_map"]).values()})
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ModelError(f"{index} is damaged ({error})", cure="copy the file again") from error
    if absent := [name for name in names if not (folder / name).is_file()]:
        raise ModelError(f"{folder} lacks {', '.join(absent)}", cure="copy the missing files there")
    return [folder / name for name in names]


def _header_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Return tensor shapes from a safetensors header: 8 bytes of length, then JSON."""
    size = path.stat().st_size
    with path.open("rb") as file:
        prefix = file.read(8)
        length = struct.unpack("<Q", prefix)[0] if len(prefix) == 8 else -1
        if not 0 < length <= size - 8:
            raise ModelError(f"{path} is cut short or not a safetensors file", cure="copy the file again")
        text = file.read(length)
    try:
        header = _mapping(json.loads(text))
        header.pop("__metadata__", None)
        shapes = {name: tuple(int(n) for n in entry["shape"]) for name, entry in header.items()}
        end = max((int(entry["data_offsets"][1]) for entry in header.values()), default=0)
    except (ValueError, TypeError, LookupError) as error:
        raise ModelError(f"{path} has a damaged header", cure="copy the file again") from error
    if 8 + length + end != size:
        raise ModelError(
            f"{path} has {size} bytes, its header promises {8 + length + end}", cure="copy the file again"
        )
    return shapes


def _size(shape: tuple[int, ...]) -> int:
    product = 1
    for dimension in shape:
        product *= dimension
    return product
