"""IA3: trained factors on keys, values and inner activations, through PEFT (arXiv:2205.05638)."""

from __future__ import annotations

from typing import Any

from luthier.methods.peft_adapter import PeftAdapter, linear_layers_in, names_in
from luthier.plan.adapted_layers import adapted_layers, feed_forward_layers, last_names, short_names
from luthier.recipe.method_sections import Ia3Method


class Ia3(PeftAdapter):
    """Train one factor for each output of some layers, or for each input of feed-forward ones; all begin as 1.

    Args:
        section: Which layers.
    """

    _section: Ia3Method

    def config(self, model: Any) -> Any:
        """Return PEFT's configuration."""
        from peft import IA3Config

        chosen, _ = adapted_layers(self._section, linear_layers_in(model))
        inputs, _ = feed_forward_layers(self._section, chosen)
        targets, rescaled_inputs = names_in(model, chosen), last_names(inputs)
        # PEFT wants the latter among the former, and compares the ends of names.
        if not set(rescaled_inputs) <= set(targets) or short_names(inputs, chosen) != rescaled_inputs:
            targets, rescaled_inputs = sorted(chosen), sorted(inputs)
        return IA3Config(target_modules=targets, feedforward_modules=rescaled_inputs)

    def merge(self, model: Any) -> Any:
        """Return the base with the factors multiplied into its weights, in float32.

        PEFT cannot put back a trained module without a weight of its own, such as BERT's pooler: it is done before.
        """
        from peft.utils import ModulesToSaveWrapper

        base = model.get_base_model()
        for name, module in list(base.named_modules()):
            if isinstance(module, ModulesToSaveWrapper):
                parent, _, last = name.rpartition(".")
                setattr(base.get_submodule(parent), last, module.modules_to_save[module.active_adapters[0]])
        return super().merge(model)
