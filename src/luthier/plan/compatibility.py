"""What each method goes with: objectives, bases, packing, merging, the fast path; the plan and the docs read this."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from luthier.core.errors import Fault
from luthier.plan.base_facts import BaseFacts
from luthier.recipe.schema import Recipe

_ADAPTED_LAYERS = "attention, norms and loss fast; adapted layers and their feed-forward blocks plain"
_SERVED = "serve the adapter with its base, or train method: {name: lora}"


@dataclass(frozen=True)
class Refusal:
    """Why a combination is refused, and what to do instead."""

    reason: str
    cure: str


@dataclass(frozen=True)
class Traits:
    """What a method goes with; a refusal where it does not.

    Args:
        starts_as_base: Whether the model computes the same before the first step.
        fast_path: What runs fast; the plan reports it part by part for the base at hand.
        merging: Into a plain model.
        packing: Rows of an objective without a head in one packed row.
        gradient_checkpointing: Activations computed again.
        encoders: Bases such as BERT.
        several_heads: Tasks that each have a head over one trunk.
        objectives: Those that make no sense, by name.
    """

    starts_as_base: bool
    fast_path: str
    merging: Refusal | None = None
    packing: Refusal | None = None
    gradient_checkpointing: Refusal | None = None
    encoders: Refusal | None = None
    several_heads: Refusal | None = None
    objectives: dict[str, Refusal] = field(default_factory=dict)


_NOT_IN_WEIGHTS = Refusal("virtual tokens stand before each row, in no weight", _SERVED)
_CLS_FIRST = Refusal(
    "an encoder reads its [CLS] token in the first place, where virtual tokens would stand",
    "method: {name: lora}, or {name: bottleneck}",
)
_ONE_HEAD = Refusal(
    "PEFT keeps one head beside virtual tokens, not several", "method: {name: lora}, or {name: bottleneck}"
)
_NO_ROOM_FOR_TEXT = Refusal(
    "raw text teaches weights, and a text that is served later has no virtual tokens inside it where blocks began",
    "method: {name: lora}, or {name: full}",
)


def _soft(*, packing: Refusal | None, checkpointing: Refusal | None, fast_path: str) -> Traits:
    return Traits(
        starts_as_base=False,
        fast_path=fast_path,
        merging=_NOT_IN_WEIGHTS,
        packing=packing,
        gradient_checkpointing=checkpointing,
        encoders=_CLS_FIRST,
        several_heads=_ONE_HEAD,
        objectives={"pretraining": _NO_ROOM_FOR_TEXT},
    )


TRAITS: dict[str, Traits] = {
    "full": Traits(True, "all parts"),
    "freeze": Traits(True, "all parts"),
    "lora": Traits(
        True, "all parts; with use_dora the adapted layers and their feed-forward blocks are plain"
    ),
    "adalora": Traits(True, _ADAPTED_LAYERS),
    "ia3": Traits(True, _ADAPTED_LAYERS),
    "bottleneck": Traits(
        True,
        "attention, norms, loss and the adapters' own matrices fast; feed-forward blocks not fused",
        merging=Refusal("an activation stands between its two matrices", _SERVED),
    ),
    "prefix": _soft(
        packing=Refusal("a prefix is a cache of keys, which stands before whole rows only", "packing: false"),
        checkpointing=Refusal(
            "transformers drops cached keys where activations are computed again",
            "gradient_checkpointing: false, or method: {name: prompt}",
        ),
        fast_path="norms, feed-forward blocks and loss fast; attention plain",
    ),
    "prompt": _soft(packing=None, checkpointing=None, fast_path="all parts"),
    "p_tuning": _soft(packing=None, checkpointing=None, fast_path="all parts; the small network is plain"),
}
"""By the method's name in the recipe."""


def refusal_of(method: str, objective: str) -> Refusal | None:
    """Return why the two make no sense together, or None."""
    return TRAITS[method].objectives.get(objective)


def merge_refusal(method: str) -> Refusal | None:
    """Return why the method's result cannot be merged into its base, or None; unknown names can be tried."""
    traits = TRAITS.get(method)
    return traits.merging if traits else None


def check_method(recipe: Recipe, written: Collection[str]) -> Iterator[Fault]:
    """Yield the faults of a method beside the recipe's other keys; see `luthier.plan.checks.check_recipe`."""
    name = recipe.method.name
    traits = TRAITS[name]
    if refusal := refusal_of(name, recipe.objective.name):
        problem = f"{name} makes no sense with objective {recipe.objective.name}: {refusal.reason}"
        yield Fault("method.name", problem, refusal.cure)
    if traits.packing and "train.packing" in written and not unpacked(recipe) and recipe.train.packing:
        yield Fault(
            "train.packing", f"does not go with method {name}: {traits.packing.reason}", traits.packing.cure
        )
    if traits.several_heads and recipe.objective.name == "multitask" and recipe.objective.has_head:
        refused = traits.several_heads
        yield Fault("method.name", f"{name} does not go with several heads: {refused.reason}", refused.cure)
    if traits.gradient_checkpointing and recipe.train.gradient_checkpointing:
        refused = traits.gradient_checkpointing
        yield Fault(
            "train.gradient_checkpointing", f"does not go with method {name}: {refused.reason}", refused.cure
        )


def unpacked(recipe: Recipe) -> bool:
    """Whether rows are padded whatever ``train.packing`` says: a task's head reads whole rows."""
    return recipe.objective.has_head


def check_method_against_base(recipe: Recipe, base: BaseFacts) -> Iterator[Fault]:
    """Yield the faults of a method in this base; see `luthier.plan.checks.check_against_base`."""
    name = recipe.method.name
    refused = TRAITS[name].encoders
    if refused and not base.is_causal_lm and base.model_type in ENCODERS:
        yield Fault(
            "method.name", f"{name} does not go with {base.model_type}: {refused.reason}", refused.cure
        )
    virtual = getattr(recipe.method, "num_virtual_tokens", 0)
    longest = min(recipe.data.max_length, base.max_positions)
    if virtual < base.max_positions < longest + virtual:
        problem = (
            f"{longest} and {virtual} virtual tokens exceed the {base.max_positions} positions of the base"
        )
        yield Fault("data.max_length", problem, f"max_length: {base.max_positions - virtual}")


ENCODERS = frozenset({"albert", "bert", "camembert", "deberta-v2", "distilbert", "electra", "modernbert", "mpnet",
                      "roberta", "xlm-roberta"})  # fmt: skip
"""Values of ``config.model_type`` of families that read a whole text at once."""
