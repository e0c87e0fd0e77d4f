"""A base in 4 bits (QLoRA): what is asked for, how it is loaded piece by piece, and the dense weight of one layer."""

from __future__ import annotations

import ctypes
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor, nn

from luthier.core.optional import require
from luthier.plan.base_facts import layer_of

if TYPE_CHECKING:
    from luthier.recipe.schema import ModelSection


@dataclass(frozen=True)
class FourBit:
    """How the linear layers of a base are stored in 4 bits.

    Args:
        quant_type: ``nf4`` (levels at the quantiles of a normal distribution) or ``fp4``.
        use_double_quant: The scales of the blocks are quantized too, to 8 bits.

    Reference:
        Dettmers et al., QLoRA, arXiv:2305.14314, sections 2 and 3.
    """

    quant_type: str = "nf4"
    use_double_quant: bool = True

    @classmethod
    def of(cls, model: ModelSection) -> Self | None:
        """Return what a recipe asks for; None where the base keeps its type."""
        if not model.load_in_4bit:
            return None
        return cls(model.bnb_4bit_quant_type, model.bnb_4bit_use_double_quant)


@dataclass(frozen=True)
class PackedWeight:
    """A matrix in 4 bits, made dense where it is multiplied and forgotten after.

    Not a tensor to autograd: what the backward pass needs is unpacked again there, so that no dense copy is kept.

    Args:
        parameter: ``bitsandbytes.nn.Params4bit``.
    """

    parameter: Any

    def dense(self, dtype: torch.dtype) -> Tensor:
        """Return the matrix [O, I] in ``dtype``: a new tensor, without gradient."""
        from bitsandbytes.functional import dequantize_4bit

        with torch.no_grad():
            return dequantize_4bit(self.parameter.data, self.parameter.quant_state).to(dtype)


def weight_of(layer: Any) -> Tensor | PackedWeight:
    """Return the matrix of a linear layer, dense or in 4 bits."""
    weight: Tensor = layer.weight
    return PackedWeight(weight) if is_packed(layer) else weight


def is_packed(layer: Any) -> bool:
    """Whether a module is itself a linear layer in 4 bits; PEFT's layers show the weight of the one that they wrap."""
    own = getattr(layer, "_parameters", {}).get("weight")
    return getattr(own, "quant_state", None) is not None


def dense_dtype(layer: Any) -> torch.dtype:
    """Return the type that a layer's matrix has once it is dense."""
    dtype: torch.dtype = layer.weight.quant_state.dtype if is_packed(layer) else layer.weight.dtype
    return dtype


def matrix_shape(layer: Any) -> tuple[int, int]:
    """Return the shape of a linear layer's matrix, whatever it is stored as."""
    rows, columns = layer.weight.quant_state.shape if is_packed(layer) else layer.weight.shape
    return int(rows), int(columns)


def load_in_4bit(
    kind: Any, folder: Path, settings: FourBit, *, dtype: torch.dtype, **options: Any
) -> tuple[Any, dict[str, Any]]:
    """Load a model whose linear layers inside the decoder layers are in 4 bits; all else has ``dtype``.

    The files are read matrix by matrix, so that no more than one of them is whole in memory at a time.

    Args:
        kind: A class of transformers with ``from_pretrained``, e.g. ``AutoModelForCausalLM``.
        folder: Hugging Face layout.
        settings: How the layers are stored.
        dtype: Of the weights that stay, and of the matrices once they are dense.
        options: As for ``from_pretrained``.

    Returns:
        The model, and transformers' loading report.

    Raises:
        MissingDependencyError: bitsandbytes is not installed.
    """
    from transformers import AutoConfig, BitsAndBytesConfig, GenerationConfig

    layer_class = _layer_class()
    own_code = {"trust_remote_code": options.pop("trust_remote_code", False)}
    options.pop("use_safetensors", None)  # nothing else is read here
    options.pop("local_files_only", None)
    config = options.pop("config", None) or AutoConfig.from_pretrained(
        folder, local_files_only=True, **own_code
    )
    with torch.device("meta"):
        empty = kind.from_config(config, **own_code)
    stay = [n for n, m in empty.named_modules() if isinstance(m, nn.Linear) and layer_of(f"{n}.") is None]
    how = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type=settings.quant_type,
        bnb_4bit_use_double_quant=settings.use_double_quant,
        bnb_4bit_compute_dtype=dtype,
        llm_int8_skip_modules=[*stay, "lm_head"],
    )
    loaded = type(empty).from_pretrained(
        None,
        config=config,
        state_dict=_unread_tensors(folder),
        dtype=dtype,
        quantization_config=how,
        device_map={"": "cpu"},
        **options,
    )
    model = loaded[0] if isinstance(loaded, tuple) else loaded
    _forget_quantizer(model)
    model.name_or_path = model.config.name_or_path = str(folder)
    for module in model.modules():
        if is_packed(module):
            module.__class__ = layer_class
    if (folder / "generation_config.json").is_file() and model.can_generate():
        model.generation_config = GenerationConfig.from_pretrained(folder, local_files_only=True)
    _give_back_freed_memory()
    return loaded


def _give_back_freed_memory() -> None:
    """Give the holes that whole matrices left in the heap back to the system (malloc_trim(3)): training begins low."""
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)


def _layer_class() -> type:
    require("bitsandbytes", extra="qlora", purpose="a base in 4 bits")
    from luthier.models.four_bit_linear import FourBitLinear

    return FourBitLinear


def _unread_tensors(folder: Path) -> dict[str, Any]:
    """Return all tensors of a folder, none of them read yet."""
    from safetensors import safe_open

    from luthier.plan.base_facts import weight_files

    tensors: dict[str, Any] = {}
    for path in weight_files(folder):
        # Read, not mapped: pages of a mapped file would count as the process's memory until the file is closed.
        file = safe_open(path, framework="pt", backend="pread")
        tensors.update({name: file.get_slice(name) for name in file.keys()})  # noqa: SIM118 - no mapping
    return tensors


def _forget_quantizer(model: Any) -> None:
    """Leave nothing that transformers acts on: it would refuse to change types, and write 4 bits into results."""
    model.hf_quantizer = None
    model.is_quantized = False
    for name in ("quantization_config", "_pre_quantization_dtype"):
        if hasattr(model.config, name):
            delattr(model.config, name)
    if hasattr(model, "quantization_method"):
        del model.quantization_method


def quantize_in_place(model: nn.Module, settings: FourBit) -> None:
    """Store the linear layers inside the decoder layers of a loaded model in 4 bits.

    Raises:
        MissingDependencyError: bitsandbytes is not installed.
    """
    layer_class: Any = _layer_class()
    for name, module in list(model.named_modules()):
        if type(module) is nn.Linear and layer_of(f"{name}.") is not None:
            model.set_submodule(name, layer_class.of(module, settings.quant_type, settings.use_double_quant))
    model.is_loaded_in_4bit = True  # type: ignore[assignment]


def unpack(model: nn.Module) -> None:
    """Make every layer in 4 bits an ordinary one, in place: the same values, faster to read one token at a time."""
    for name, module in list(model.named_modules()):
        if is_packed(module):
            rows, columns = matrix_shape(module)
            dense = nn.Linear(columns, rows, bias=False, device="meta")
            dense.weight = nn.Parameter(
                PackedWeight(module.weight).dense(dense_dtype(module)), requires_grad=False
            )
            dense.bias = module.bias
            model.set_submodule(name, dense.train(module.training))
    model.is_loaded_in_4bit = False  # type: ignore[assignment]
