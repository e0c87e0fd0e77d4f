"""How many weights soft prompts and prefixes have, from shapes alone."""

from __future__ import annotations

from luthier.core.errors import Fault
from luthier.plan.base_facts import BaseFacts
from luthier.plan.layer_roles import role_of
from luthier.recipe.method_sections import PrefixMethod, PromptMethod, PTuningMethod

_LSTM_LAYERS = 2
Counted = tuple[int, list[Fault]]


def count_prompt(method: PromptMethod, base: BaseFacts) -> Counted:
    """Return the size of the embeddings, and what does not fit in the recipe."""
    faults = _position_faults(method.num_virtual_tokens, base)
    has_text = method.prompt_tuning_init_text is not None
    if method.prompt_tuning_init == "TEXT" and not has_text:
        faults.append(Fault("method.prompt_tuning_init_text", "is required with prompt_tuning_init: TEXT"))
    if method.prompt_tuning_init != "TEXT" and has_text:
        problem = f"has no effect with prompt_tuning_init: {method.prompt_tuning_init}"
        faults.append(Fault("method.prompt_tuning_init_text", problem, "prompt_tuning_init: TEXT"))
    return method.num_virtual_tokens * base.hidden_size, faults


def count_p_tuning(method: PTuningMethod, base: BaseFacts) -> Counted:
    """Return the size of embeddings and network, and what does not fit in the recipe."""
    faults = _position_faults(method.num_virtual_tokens, base)
    width = base.hidden_size
    inner = method.encoder_hidden_size or width
    embeddings = method.num_virtual_tokens * width
    if method.encoder_reparameterization_type == "MLP":
        for key, value in (("num_layers", method.encoder_num_layers), ("dropout", method.encoder_dropout)):
            if value:
                problem = "has no effect with encoder_reparameterization_type: MLP"
                faults.append(
                    Fault(f"method.encoder_{key}", problem, "encoder_reparameterization_type: LSTM")
                )
        return embeddings + _linear(width, inner) + _linear(inner, inner) + _linear(inner, width), faults
    num_layers = method.encoder_num_layers or _LSTM_LAYERS
    if method.encoder_dropout and num_layers == 1:
        problem = "has no effect with one layer: it stands between layers"
        faults.append(Fault("method.encoder_dropout", problem, "encoder_num_layers: 2"))
    inputs = [width, *[2 * inner] * (num_layers - 1)]
    lstm = sum(
        2 * 4 * inner * (size + inner + 2) for size in inputs
    )  # two directions, four gates, two biases
    return embeddings + lstm + _linear(2 * inner, 2 * inner) + _linear(2 * inner, width), faults


def count_prefix(method: PrefixMethod, base: BaseFacts) -> Counted:
    """Return the size of keys and values, or of the network that makes them, and what does not fit."""
    faults = _position_faults(method.num_virtual_tokens, base)
    width = key_width(base)
    if width is None:
        problem = "this base has no layers of known names for keys"
        return 0, [*faults, Fault("method.name", problem, "method: {name: prompt}, or {name: lora}")]
    made = 2 * base.num_layers * width
    if not method.prefix_projection:
        if method.encoder_hidden_size is not None:
            problem = "has no effect without prefix_projection"
            faults.append(Fault("method.encoder_hidden_size", problem, "prefix_projection: true"))
        return method.num_virtual_tokens * made, faults
    if method.prefix_init_text is not None:
        problem = "has no effect with prefix_projection: a network's output cannot be set"
        faults.append(Fault("method.prefix_init_text", problem, "prefix_projection: false"))
    inner = method.encoder_hidden_size or width
    return method.num_virtual_tokens * width + _linear(width, inner) + _linear(inner, made), faults


def key_width(base: BaseFacts) -> int | None:
    """Return the width of all keys of a token in a layer, or None where no layer is known to make keys."""
    for name, (rows, columns) in base.linear_layers().items():
        if role_of(name) == "key":
            return rows
        if role_of(name) == "joint":
            return (max(rows, columns) - base.hidden_size) // 2
    return None


def _linear(inputs: int, outputs: int) -> int:
    return (inputs + 1) * outputs


def _position_faults(num_virtual_tokens: int, base: BaseFacts) -> list[Fault]:
    if num_virtual_tokens < base.max_positions:
        return []
    problem = (
        f"{num_virtual_tokens} virtual tokens leave no room in the {base.max_positions} positions of the base"
    )
    return [Fault("method.num_virtual_tokens", problem, "10 to 100 is usual")]
