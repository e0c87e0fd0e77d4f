"""From the recipe's method section to the method."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from luthier.methods.adalora import AdaLora
from luthier.methods.bottleneck import Bottleneck
from luthier.methods.contract import Method
from luthier.methods.freeze import Freeze
from luthier.methods.full import Full
from luthier.methods.ia3 import Ia3
from luthier.methods.lora import Lora
from luthier.methods.prefix import Prefix
from luthier.methods.prompt import Prompt, PTuning
from luthier.recipe.method_sections import (
    AdaLoraMethod,
    BottleneckMethod,
    FreezeMethod,
    FullMethod,
    Ia3Method,
    LoraMethod,
    PrefixMethod,
    PromptMethod,
    PTuningMethod,
)

Tokenize = Callable[[str], Sequence[int]]

_BUILDERS: dict[type, Callable[[Any, Tokenize | None], Method]] = {
    FullMethod: lambda section, tokenize: Full(),
    FreezeMethod: lambda section, tokenize: Freeze(section),
    LoraMethod: lambda section, tokenize: Lora(section),
    AdaLoraMethod: lambda section, tokenize: AdaLora(section),
    Ia3Method: lambda section, tokenize: Ia3(section),
    BottleneckMethod: lambda section, tokenize: Bottleneck(section),
    PrefixMethod: Prefix,
    PromptMethod: Prompt,
    PTuningMethod: lambda section, tokenize: PTuning(section),
}


def build_method(section: Any, tokenize: Tokenize | None = None) -> Method:
    """Return the method that a recipe names.

    Args:
        section: The recipe's ``method``.
        tokenize: Token ids of a text without special tokens, for methods that begin with a text.
    """
    return _BUILDERS[type(section)](section, tokenize)
