"""Several LoRA adapters of one base as one new adapter: a weighted sum, or a vote on the sign of each weight."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from luthier.core.errors import ModelError
from luthier.core.files import atomic_folder, read_json, write_json
from luthier.models.adapters import check_same_base, load_side_by_side
from luthier.models.load import ResultRecord, base_of_adapter, is_adapter

_SAME_RANK = ("linear", "ties", "dare_linear", "dare_ties", "magnitude_prune")
_PRUNED = ("ties", "dare_linear", "dare_ties", "magnitude_prune")
TYPES = ("cat", "linear", "svd", *_PRUNED, *(f"{name}_svd" for name in _PRUNED))
"""PEFT's names of the ways to combine."""

_OWN_FILES = {"adapter_model.safetensors", "adapter_config.json", "artifact.json", "luthier.json"}
_NEW = "combined"


@dataclass(frozen=True)
class Combination:
    """What was made.

    Args:
        rank: Of the new adapter.
        num_layers: Layers that it adapts.
        error: Norm of what it adds to the base less the weighted sum of what the adapters add, over the norm of that
            sum: 0 where the combination is exact.
    """

    rank: int
    num_layers: int
    error: float


def combine_adapters(
    folders: Sequence[Path],
    weights: Sequence[float],
    kind: str,
    target: Path,
    *,
    rank: int | None = None,
    density: float | None = None,
    seed: int = 0,
) -> Combination:
    """Write one adapter, in PEFT's layout, that combines several.

    Args:
        folders: Adapters of one base.
        weights: Of each in the sum.
        kind: One of `TYPES`. ``cat`` is exact, its rank the sum of the ranks; ``svd`` is the best of its rank;
            ``linear`` adds the factors, which is cheap and only near the sum; the others prune first.
        target: A folder that does not exist yet.
        rank: With ``svd`` kinds: of the result; by default the largest.
        density: With pruning kinds: share of the weights that stay.
        seed: Of what ``dare`` drops.

    Raises:
        ModelError: The adapters do not go together, or what is asked for has no effect.

    Reference:
        PEFT, ``LoraModel.add_weighted_adapter``; TIES arXiv:2306.01708, DARE arXiv:2311.03099.
    """
    _check_request(folders, weights, kind, target, rank, density)
    adapters = {str(folder): folder for folder in folders}
    base = base_of_adapter(folders[0])
    check_same_base(base, adapters)
    configs = {name: read_json(folder / "adapter_config.json") for name, folder in adapters.items()}
    _check_configs(configs, kind)
    _check_text_side(adapters)
    model, inner = load_side_by_side(base, adapters)
    options: dict[str, Any] = {"svd_rank": rank} if rank else {}
    if density is not None:
        options["density"] = density
    # The copy's scale is alpha / rank = 1, which rsLoRA's own scale would spoil.
    model.peft_config["default"].use_rslora = False
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model.add_weighted_adapter(
            list(inner.values()), list(weights), _NEW, combination_type=kind, **options
        )
    made = Combination(
        int(model.peft_config[_NEW].r), *_error(model, dict(zip(inner.values(), weights, strict=True)))
    )
    if kind == "cat" and made.error > 1e-5:
        raise AssertionError(f"cat should be exact, it is off by {made.error:.1e}")
    told = {"kind": kind, "density": density, "seed": seed, **vars(made)}
    told["adapters"] = [{"folder": name, "weight": w} for name, w in zip(adapters, weights, strict=True)]
    _save(model, folders[0], target, told)
    return made


def _check_request(
    folders: Sequence[Path],
    weights: Sequence[float],
    kind: str,
    target: Path,
    rank: int | None,
    density: float | None,
) -> None:
    if len(folders) < 2 or len(set(map(Path.resolve, folders))) < len(folders):
        raise ModelError("at least two different adapters are needed", cure="name their folders")
    if len(weights) != len(folders):
        raise ModelError(
            f"{len(folders)} adapters, but {len(weights)} weights", cure="a weight for each, in their order"
        )
    if kind not in TYPES:
        raise ModelError(f"there is no combination {kind!r}", cure=f"one of: {', '.join(TYPES)}")
    if rank is not None and not kind.endswith("svd"):
        raise ModelError(f"a rank has no effect with {kind}", cure="leave it out, or take svd")
    if not any(name in kind for name in _PRUNED):
        if density is not None:
            raise ModelError(
                f"a density has no effect with {kind}, which prunes nothing", cure="leave it out"
            )
    elif density is None or not 0 < density <= 1:
        raise ModelError(f"{kind} needs a density above 0, at most 1", cure="0.5 keeps half of the weights")
    if target.exists():
        raise ModelError("exists already", where=str(target), cure="name a folder that does not")


def _check_configs(configs: Mapping[str, Mapping[str, Any]], kind: str) -> None:
    for name, config in configs.items():
        problem = None
        if config.get("peft_type") != "LORA":
            problem = f"is {config.get('peft_type')}; only LoRA adapters can be combined"
        elif config.get("use_dora"):
            problem = "is DoRA: its magnitudes cannot be added"
        elif config.get("modules_to_save"):
            problem = f"brings whole modules ({', '.join(config['modules_to_save'])}), which cannot be added"
        elif config.get("bias", "none") != "none":
            problem = "trains biases beside its matrices, which cannot be added"
        if problem:
            raise ModelError(problem, where=name)
    (first, expected), *others = ((n, frozenset(c["target_modules"])) for n, c in configs.items())
    for name, targets in others:
        if targets != expected:
            told = ", ".join(sorted(targets ^ expected))
            raise ModelError(
                f"adapts other layers than {first}: only one of the two adapts {told}", where=name
            )
    ranks = {name: (config["r"], str(config.get("rank_pattern") or "")) for name, config in configs.items()}
    if kind in _SAME_RANK and len(set(ranks.values())) > 1:
        told = "; ".join(
            f"{name}: {rank}{' with ' + more if more else ''}" for name, (rank, more) in ranks.items()
        )
        raise ModelError(
            f"{kind} needs adapters of one rank, these have {told}", cure="--type cat, or --type svd"
        )


def _check_text_side(adapters: Mapping[str, Path]) -> None:
    """Refuse adapters that were trained on other texts around the same answers."""
    seen: dict[tuple[str, str], str] = {}
    for name, folder in adapters.items():
        if record := ResultRecord.load(folder):
            seen.setdefault((record.tokenizer_hash, record.template_hash), name)
    if len(seen) > 1:
        one, other = list(seen.values())[:2]
        raise ModelError(f"{one} and {other} were trained with different tokenizers or chat templates")


@torch.no_grad()
def _error(model: Any, weights: Mapping[str, float]) -> tuple[int, float]:
    """Return how many layers are adapted, and how far the new adapter is from the weighted sum."""
    wrong = whole = 0.0
    num_layers = 0
    for module in model.modules():
        if not hasattr(module, "lora_A") or _NEW not in module.lora_A:
            continue
        num_layers += 1
        total = torch.stack([weight * _added(module, name) for name, weight in weights.items()]).sum(dim=0)
        wrong += float((_added(module, _NEW) - total).square().sum())
        whole += float(total.square().sum())
    return num_layers, (wrong / max(whole, 1e-30)) ** 0.5


def _added(module: Any, name: str) -> torch.Tensor:
    update: torch.Tensor = module.lora_B[name].weight.float() @ module.lora_A[name].weight.float()
    return update * module.scaling[name]


def _save(model: Any, first: Path, target: Path, told: Mapping[str, Any]) -> None:
    record = ResultRecord.load(first)
    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic_folder(target) as partial:
        model.save_pretrained(partial, selected_adapters=[_NEW], save_embedding_layers=False)
        for path in (partial / _NEW).iterdir():  # PEFT gives every adapter but "default" a folder of its own
            path.rename(partial / path.name)
        (partial / _NEW).rmdir()
        for path in first.iterdir():
            if path.is_file() and path.name not in _OWN_FILES and path.name != "training_history.json":
                shutil.copyfile(path, partial / path.name)
        if record:
            record.save(partial)
        write_json(partial / "combination.json", dict(told))
    assert is_adapter(target)
