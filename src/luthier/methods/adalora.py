"""AdaLoRA: low-rank adapters whose ranks are dealt out by importance during training (arXiv:2303.10512)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from luthier.core.errors import TrainingError
from luthier.methods.contract import Progress
from luthier.methods.peft_adapter import PeftAdapter
from luthier.models.peft_notices import without_groundless_warnings
from luthier.recipe.method_sections import AdaLoraMethod

_MEMORIES = ("ipt", "exp_avg_ipt", "exp_avg_unc")
_RANKS = "rank_pattern"
_ADAPTER = "default"


class AdaLora(PeftAdapter):
    """Train adapters P E Q with a diagonal E, and set the least important entries of E to zero by a schedule.

    Args:
        section: Ranks at start and end, the schedule between them, and target modules.
    """

    _section: AdaLoraMethod

    def apply(self, model: Any) -> Any:
        """Return a ``peft.PeftModel``.

        PEFT keeps each adapter's rank as a parameter, which over a bfloat16 base becomes one that trains.
        """
        applied = super().apply(model)
        for name, parameter in applied.named_parameters():
            if ".ranknum." in name:
                parameter.requires_grad_(False)
        return applied

    def config(self, model: Any) -> Any:
        """Return PEFT's configuration; the number of steps is told before the first of them."""
        from peft import AdaLoraConfig

        section = self._section
        return AdaLoraConfig(
            target_r=section.target_r,
            init_r=section.init_r,
            tinit=section.tinit,
            tfinal=section.tfinal,
            deltaT=section.deltaT,
            beta1=section.beta1,
            beta2=section.beta2,
            orth_reg_weight=0.0,  # see `penalty`
            lora_alpha=section.lora_alpha,
            lora_dropout=section.lora_dropout,
            target_modules=self.target_names(model),
            total_step=section.tinit + section.tfinal + 1,
        )

    def check_schedule(self, progress: Progress) -> None:
        """Refuse a schedule that leaves no step in which ranks are dealt out."""
        section = self._section
        if section.tinit + section.tfinal >= progress.num_steps:
            raise TrainingError(
                f"tinit {section.tinit} and tfinal {section.tfinal} leave no step of {progress.num_steps} in which "
                "ranks are dealt out",
                where="method.tinit",
                cure=f"their sum must be below {progress.num_steps}; a tenth of the steps each is usual",
            )

    def before_step(self, model: Any, progress: Progress) -> None:
        """Tell PEFT how many steps the schedule is stretched over."""
        _config(model).total_step = progress.num_steps

    def penalty(self, model: Any) -> torch.Tensor | None:
        """Return how far P and Q are from orthogonal: the mean of |P'P - I| and |QQ' - I|, weighted (equation 4).

        PEFT adds it in a forward pass that returns a loss; ours returns none.
        """
        if not self._section.orth_reg_weight:
            return None
        terms = []
        for name, factor in model.named_parameters():
            if ".lora_A." in name or ".lora_B." in name:
                square = factor @ factor.T if ".lora_A." in name else factor.T @ factor
                terms.append(torch.linalg.norm(square - torch.eye(len(square), device=square.device)))
        return self._section.orth_reg_weight * torch.stack(terms).mean()

    def after_step(self, model: Any, progress: Progress) -> None:
        """Update the importance of every weight, and deal the ranks out anew where that is due."""
        model.base_model.update_and_allocate(progress.step)

    def state(self, model: Any) -> dict[str, torch.Tensor]:
        """Return the importance of every weight, and which ranks are left."""
        allocator = model.base_model.rankallocator
        tensors = {
            f"{memory}/{name}": tensor
            for memory in _MEMORIES
            for name, tensor in getattr(allocator, memory).items()
        }
        ranks = _config(model).rank_pattern or {}
        return tensors | {f"{_RANKS}/{name}": torch.tensor(kept) for name, kept in ranks.items()}

    def restore(self, model: Any, tensors: Mapping[str, torch.Tensor]) -> None:
        """Put back what `state` returned."""
        allocator = model.base_model.rankallocator
        for memory in _MEMORIES:
            setattr(allocator, memory, {})
        ranks: dict[str, list[bool]] = {}
        for key, tensor in tensors.items():
            kind, _, name = key.partition("/")
            if kind == _RANKS:
                ranks[name] = tensor.tolist()
            else:
                getattr(allocator, kind)[name] = tensor.clone()
        _config(model).rank_pattern = ranks or None

    def save(self, model: Any, folder: Path, dtype: torch.dtype) -> None:
        """Write the adapter in PEFT's layout, without the ranks whose E is zero.

        PEFT goes by the ranks that were dealt out last; between two dealings an optimizer moves what was taken away.
        """
        config = _config(model)
        dealt = config.rank_pattern
        config.rank_pattern = {
            name.removeprefix("base_model.model."): (values.detach().flatten() != 0).tolist()
            for name, values in model.named_parameters()
            if ".lora_E." in name
        }
        try:
            with without_groundless_warnings():
                super().save(model, folder, dtype)
        finally:
            config.rank_pattern = dealt


def _config(model: Any) -> Any:
    return model.peft_config[_ADAPTER]
