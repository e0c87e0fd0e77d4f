"""From the recipe's method section to the method."""

from __future__ import annotations

from luthier.methods.contract import Method
from luthier.methods.freeze import Freeze
from luthier.methods.full import Full
from luthier.methods.lora import Lora
from luthier.recipe.method_sections import FreezeMethod, FullMethod, LoraMethod


def build_method(section: FullMethod | FreezeMethod | LoraMethod) -> Method:
    """Return the method that a recipe names."""
    if isinstance(section, LoraMethod):
        return Lora(section)
    if isinstance(section, FreezeMethod):
        return Freeze(section)
    return Full()
