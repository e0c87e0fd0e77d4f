"""Row-wise parts of training in C, single passes over memory: compiled once for this processor by its own compiler.

Without a compiler every caller has the same computation in torch operations, and the report says that it runs.
"""

from __future__ import annotations

import ctypes
import functools
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from luthier.core.hashing import fingerprint, short
from luthier.core.home import cache_folder

_SOURCE = Path(__file__).parent / "native"
_FLAGS = (
    "-O3",
    "-march=native",
    "-mprefer-vector-width=512",
    "-fopenmp",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-fPIC",
)
_TYPES = {torch.float32: "float32", torch.bfloat16: "bfloat16"}
_BLOCK = 64
"""Rows whose sum is one row of what ``rms_norm_weight_backward`` writes; as in the source."""
_LONGEST_BUILD_SECONDS = 120


@dataclass(frozen=True)
class Build:
    """The compiled functions, or why there are none."""

    library: Any
    reason: str


def swiglu(gate: Tensor, up: Tensor) -> Tensor:
    """Return ``silu(gate) * up``; see `fits`."""
    out = torch.empty_like(gate)
    _call("swiglu", gate.dtype, gate, up, out, gate.numel())
    return out


def swiglu_backward(grad: Tensor, gate: Tensor, up: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return ``silu(gate) * up`` and the gradients of gate and up; the latter takes the place of ``grad``."""
    product, grad_gate = torch.empty_like(gate), torch.empty_like(gate)
    _call("swiglu_backward", gate.dtype, grad, gate, up, product, grad_gate, grad, gate.numel())
    return product, grad_gate, grad


def rms_norm(inputs: Tensor, weight_D: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
    """Return ``inputs / rms(inputs) * weight`` and ``1 / rms`` [..., 1]; the weight is float32."""
    out = torch.empty_like(inputs)
    inverse = torch.empty(*inputs.shape[:-1], 1)
    width = inputs.shape[-1]
    rows = inputs.numel() // width
    _call("rms_norm", inputs.dtype, inputs, weight_D, out, inverse, rows, width, ctypes.c_float(epsilon))
    return out, inverse


def rms_norm_backward(grad: Tensor, inputs: Tensor, weight_D: Tensor, inverse: Tensor) -> Tensor:
    """Return the gradient of the inputs."""
    out = torch.empty_like(inputs)
    width = inputs.shape[-1]
    rows = inputs.numel() // width
    _call("rms_norm_backward", inputs.dtype, grad, inputs, weight_D, inverse, out, rows, width)
    return out


def rms_norm_weight_backward(grad: Tensor, inputs: Tensor, inverse: Tensor) -> Tensor:
    """Return the gradient [D] of the weight in float32."""
    width = inputs.shape[-1]
    rows = inputs.numel() // width
    sums = torch.empty(-(-rows // _BLOCK), width)
    _call("rms_norm_weight_backward", inputs.dtype, grad, inputs, inverse, sums, rows, width)
    return sums.sum(dim=0)


def rotate(x_THD: Tensor, cosine_TD: Tensor, sine_TD: Tensor, *, direction: int = 1) -> Tensor:
    """Return the rotary embedding of [T, H, D]; direction -1 is the gradient of it."""
    out = torch.empty_like(x_THD)
    _call("rotate", x_THD.dtype, x_THD, cosine_TD, sine_TD, out, *x_THD.shape, direction)
    return out


def softmax_(
    scores_JRK: Tensor,
    *,
    num_queries: int,
    lead: int,
    window: int | None,
    num_visible: int,
    is_causal: bool,
    scaling: float,
) -> Tensor:
    """Turn scores into probabilities in place, hidden keys into zeros.

    Args:
        scores_JRK: Row r belongs to query ``r % num_queries``.
        num_queries: Queries of the block.
        lead: Keys before the first query's own.
        window: A query sees at most so many keys up to its own; None for all.
        num_visible: Keys that are no filling; what a query sees where it is not causal.
        is_causal: A query sees no later key.
        scaling: Factor of the scores, positive.
    """
    keys = scores_JRK.shape[-1]
    rows = scores_JRK.numel() // keys
    causal = int(is_causal)
    _call("softmax", scores_JRK.dtype, scores_JRK, rows, num_queries, keys, lead, window or 0, num_visible, causal,
          ctypes.c_float(scaling))  # fmt: skip
    return scores_JRK


def softmax_backward_(grad_JRK: Tensor, probability_JRK: Tensor) -> Tensor:
    """Turn the gradient of the probabilities into that of the scaled scores, in place."""
    keys = grad_JRK.shape[-1]
    rows = grad_JRK.numel() // keys
    _call("softmax_backward", grad_JRK.dtype, probability_JRK, grad_JRK, rows, keys)
    return grad_JRK


def cross_entropy_(logits_CV: Tensor, targets_C: Tensor, *, differentiates: bool) -> Tensor:
    """Return each position's loss [C] in float32; where asked, turn the logits into their gradient in place."""
    loss_C = torch.empty(len(targets_C))
    rows, classes = logits_CV.shape
    _call("cross_entropy", logits_CV.dtype, logits_CV, targets_C, loss_C, rows, classes, int(differentiates))
    return loss_C


def fits(*tensors: Tensor) -> bool:
    """Whether the compiled functions exist and take these tensors: on the CPU, contiguous, of one known type."""
    first = tensors[0]
    return (
        first.dtype in _TYPES
        and all(t.device.type == "cpu" and t.dtype == first.dtype and t.is_contiguous() for t in tensors)
        and build().library is not None
    )


def _call(name: str, dtype: torch.dtype, *arguments: Any) -> None:
    function = getattr(build().library, f"{name}_{_TYPES[dtype]}")
    function(*map(_as_c, arguments), ctypes.c_int(torch.get_num_threads()))


def _as_c(argument: Any) -> Any:
    if isinstance(argument, Tensor):
        return ctypes.c_void_p(argument.data_ptr())
    return ctypes.c_long(argument) if isinstance(argument, int) else argument


@functools.cache
def build() -> Build:
    """Return the compiled functions; the first call on a machine takes some seconds, later ones find the result."""
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        return Build(None, "no C compiler (cc, gcc or clang) is installed")
    if (threads := _openmp_of_torch()) is None:
        return Build(None, "torch's OpenMP library was not found in this process")
    try:
        path = _compiled(compiler)
        # The functions take OpenMP's symbols from the library that torch uses: a second one would have threads of its
        # own, and both would wait for the same cores.
        ctypes.CDLL(str(threads), mode=ctypes.RTLD_GLOBAL)
        return Build(ctypes.CDLL(str(path)), f"compiled by {Path(compiler).name}")
    except (OSError, subprocess.SubprocessError) as error:
        told = error.stderr.strip() if isinstance(error, subprocess.CalledProcessError) else str(error)
        return Build(
            None, f"{compiler} cannot build them: {told.splitlines()[-1] if told else type(error).__name__}"
        )


def _openmp_of_torch() -> Path | None:
    """Return the OpenMP library that is loaded already; None where the system does not tell, or there is none."""
    try:
        maps = Path("/proc/self/maps").read_text(encoding="utf-8")
    except OSError:
        return None
    paths = {line.split(maxsplit=5)[5] for line in maps.splitlines() if "omp" in line and ".so" in line}
    found = [
        Path(path) for path in sorted(paths) if Path(path).name.startswith(("libgomp", "libiomp", "libomp"))
    ]
    return found[0] if found else None


def _compiled(compiler: str) -> Path:
    """Return the library in the cache, made where it is missing; the name says for which source and processor."""
    sources = sorted(_SOURCE.iterdir())
    version = _run(compiler, "--version").splitlines()[0]
    # What -march=native stands for: a cache on a shared disk must not give one processor the code of another.
    target = (
        _run(compiler, "-march=native", "-Q", "--help=target") if "clang" not in version else _cpu_flags()
    )
    key = short(fingerprint([s.read_text(encoding="utf-8") for s in sources], version, target, _FLAGS))
    path = cache_folder() / "kernels" / f"fused_rows-{key}.so"
    if path.is_file():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        made, linked = Path(folder) / "fused_rows.o", Path(folder) / path.name
        _run(compiler, *_FLAGS, "-c", str(_SOURCE / "fused_rows.c"), "-o", str(made))
        _run(compiler, "-shared", str(made), "-o", str(linked), "-lm")  # OpenMP is left to torch's library
        os.replace(linked, path)
    return path


def _run(*command: str) -> str:
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=_LONGEST_BUILD_SECONDS)
    return done.stdout


def _cpu_flags() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")
