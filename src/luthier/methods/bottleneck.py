"""Bottleneck adapters: narrow networks behind frozen blocks, begun as the identity (arXiv:1902.00751, 2005.00247)."""

from __future__ import annotations

from typing import Any

from luthier.methods.contract import refused_merge
from luthier.methods.peft_adapter import PeftAdapter
from luthier.plan.bottleneck_size import USUAL_REDUCTION
from luthier.recipe.method_sections import BottleneckMethod


class Bottleneck(PeftAdapter):
    """Train a small network behind each feed-forward block, or behind each attention too.

    Args:
        section: Place, width and activation.
    """

    _section: BottleneckMethod

    def config(self, model: Any) -> Any:
        """Return the configuration of our tuner, which PEFT is told of here."""
        from luthier.models.bottleneck import BottleneckConfig, register

        register()
        section = self._section
        return BottleneckConfig(
            target_modules=self.target_names(model),
            bottleneck_size=section.bottleneck_size,
            reduction_factor=section.reduction_factor or USUAL_REDUCTION,
            non_linearity=section.non_linearity,
            share_across_layers=section.share_across_layers,
        )

    def merge(self, model: Any) -> Any:
        """Refuse: an activation stands between the two matrices."""
        raise refused_merge(self._section.name)
