"""Embeddings of new tokens: rows that begin as the mean of what the base cut the token into."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from luthier.core.files import read_json
from luthier.recipe.vocabulary_section import EmbeddingInit

if TYPE_CHECKING:
    from torch import Tensor


def extend_embeddings(
    model: Any,
    sources: Mapping[int, Sequence[int]],
    num_rows: int,
    *,
    init: EmbeddingInit = "mean_of_pieces",
    special_ids: Mapping[str, int | None] | None = None,
) -> None:
    """Give a model rows for new tokens, in its embedding and its head, tied or not.

    Args:
        model: A transformers model; its head, if it has one, is resized too.
        sources: By id of each row to fill, the old tokens that it stands for; one old token is copied, whatever
            ``init`` says.
        num_rows: Rows that embedding and head shall have.
        init: What a row of several old tokens begins with.
        special_ids: ``bos``, ``eos`` and ``pad`` where a new tokenizer moved them.

    Reference:
        The mean of subword embeddings: Casanueva et al. in "Efficient domain adaptation … by adaptive tokenization",
        arXiv:2109.07460, section 3.3.
    """
    import torch

    layers = [
        layer for layer in (model.get_input_embeddings(), model.get_output_embeddings()) if layer is not None
    ]
    is_tied = len(layers) == 2 and layers[0].weight is layers[1].weight
    before = [layer.weight.detach().clone() for layer in layers[: 1 if is_tied else 2]]
    bias = getattr(layers[-1], "bias", None) if len(layers) == 2 else None
    old_bias = None if bias is None else bias.detach().clone()
    model.resize_token_embeddings(num_rows, mean_resizing=False)
    after = [model.get_input_embeddings().weight]
    if len(before) == 2:
        after.append(model.get_output_embeddings().weight)
    with torch.no_grad():
        for old, new in zip(before, after, strict=True):
            _fill(old, new, sources, init)
        if old_bias is not None:
            new_bias = model.get_output_embeddings().bias
            _fill(old_bias.unsqueeze(1), new_bias.unsqueeze(1), sources, "mean_of_pieces")
    for name, number in (special_ids or {}).items():
        for config in (model.config, getattr(model, "generation_config", None)):
            if config is not None:
                setattr(config, f"{name}_token_id", number)


def _fill(old_VD: Tensor, new_VD: Tensor, sources: Mapping[int, Sequence[int]], init: EmbeddingInit) -> None:
    """Write the rows of ``sources`` into ``new_VD``; V tokens, D width."""
    import torch

    rows = torch.tensor(list(sources))
    pieces = torch.tensor([piece for own in sources.values() for piece in own])
    lengths = torch.tensor([len(own) for own in sources.values()])
    starts = lengths.cumsum(0) - lengths
    values_RD = torch.nn.functional.embedding_bag(pieces, old_VD.float(), starts, mode="mean")
    several = lengths != 1
    if init == "mean":
        values_RD[several] = old_VD.float().mean(dim=0)
    elif init == "random":
        noise = torch.randn(int(several.sum()), old_VD.shape[1], generator=torch.Generator().manual_seed(0))
        values_RD[several] = noise * old_VD.float().std()
    new_VD[rows] = values_RD.to(new_VD.dtype)


def grow_for_adapter(model: Any, adapter: Path) -> None:
    """Give a base as many rows as an adapter's tokens need; what the new rows hold, the adapter overwrites.

    Args:
        model: The base, as it was before training.
        adapter: Folder of the adapter.
    """
    config = read_json(adapter / "adapter_config.json")
    indices = config.get("trainable_token_indices") or []
    rows = {row for own in (indices.values() if isinstance(indices, dict) else [indices]) for row in own}
    if not rows:
        return
    needed, is_whole = 1 + max(rows), len(rows) == 1 + max(rows)
    if needed > model.get_input_embeddings().weight.shape[0] or is_whole:
        model.resize_token_embeddings(needed, mean_resizing=False)
    if is_whole:  # a new tokenizer has its own begin, end and filler
        from transformers import GenerationConfig

        model.generation_config = GenerationConfig.from_pretrained(adapter)
        for name in ("bos", "eos", "pad"):
            setattr(model.config, f"{name}_token_id", getattr(model.generation_config, f"{name}_token_id"))
