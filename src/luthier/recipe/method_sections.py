"""`method:` in a recipe: which weights train, a section per method; keys are PEFT's where PEFT has the method."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from luthier.recipe.section import PositiveInt, Section

Dropout = Annotated[float, Field(ge=0.0, lt=1.0)]
Count = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(gt=0.0, lt=1.0)]


class FullMethod(Section):
    """Train every weight."""

    name: Literal["full"]


class FreezeMethod(Section):
    """Train some layers or named weights, all at once or one after the other; the rest stays as it is."""

    name: Literal["freeze"]
    trainable_layers: PositiveInt | None = Field(None, description="Train the last N decoder layers.")
    trainable_patterns: list[str] = Field(
        default_factory=list,
        description="Train the weights whose names match one of these shell-style patterns, e.g. `*.mlp.*`.",
    )
    head_only: bool = Field(
        False, description="Train the head alone: what stands above the last layer's norm."
    )
    unfreeze_every: PositiveInt | None = Field(
        None,
        description="Gradual unfreezing (arXiv:1801.06146): begin with the head and the topmost group of layers, and "
        "thaw the next group after so many epochs or steps. Without layers or patterns everything thaws in the end.",
    )
    unfreeze_unit: Literal["epochs", "steps"] = Field("epochs", description="What `unfreeze_every` counts.")
    unfreeze_layers: PositiveInt = Field(1, description="Layers of a group.")


class LoraMethod(Section):
    """Low-rank adapters beside frozen weights (arXiv:2106.09685)."""

    name: Literal["lora"] = "lora"
    r: PositiveInt = Field(8, description="Rank of the adapters.")
    lora_alpha: PositiveInt = Field(
        16, description="Scale: the adapter's output is multiplied by lora_alpha / r."
    )
    lora_dropout: Dropout = Field(0.0, description="Dropout on the adapter's input.")
    target_modules: str | list[str] = Field(
        "all-linear", description="Names of the linear layers to adapt, or `all-linear` (all but the head)."
    )
    exclude_modules: list[str] = Field(
        default_factory=list, description="Names of layers to leave out of `target_modules`."
    )
    layers_to_transform: list[Count] | None = Field(
        None, description="Adapt only the layers of these numbers, from 0; none: all layers."
    )
    rank_pattern: dict[str, PositiveInt] = Field(
        default_factory=dict, description="Ranks of some layers by name, e.g. `{down_proj: 16}`."
    )
    alpha_pattern: dict[str, PositiveInt] = Field(
        default_factory=dict, description="`lora_alpha` of some layers by name."
    )
    use_rslora: bool = Field(
        False, description="Scale by lora_alpha / √r, which keeps high ranks learning (arXiv:2312.03732)."
    )
    use_dora: bool = Field(
        False, description="Train the length of each weight row apart from its direction (arXiv:2402.09353)."
    )
    init_lora_weights: Literal["kaiming", "gaussian", "pissa"] = Field(
        "kaiming",
        description="First values of A, beside a B of zeros; or `pissa`: both from the largest singular vectors of the "
        "weight (arXiv:2404.02948), saved as an ordinary adapter of twice the rank.",
    )


class AdaLoraMethod(Section):
    """Low-rank adapters whose ranks are dealt out during training by importance (arXiv:2303.10512)."""

    name: Literal["adalora"]
    target_r: PositiveInt = Field(8, description="Mean rank at the end.")
    init_r: PositiveInt = Field(12, description="Rank of every adapter at the start.")
    tinit: Count = Field(0, description="Steps before the first rank is taken away.")
    tfinal: Count = Field(0, description="Last steps, in which the ranks are fixed.")
    deltaT: PositiveInt = Field(1, description="Ranks are dealt out anew every so many steps.")
    beta1: Share = Field(0.85, description="Smoothing of a weight's importance.")
    beta2: Share = Field(0.85, description="Smoothing of the importance's uncertainty.")
    orth_reg_weight: Annotated[float, Field(ge=0.0)] = Field(
        0.5, description="Weight of the penalty that keeps singular vectors orthogonal."
    )
    lora_alpha: PositiveInt = Field(16, description="Scale: the output is multiplied by lora_alpha / init_r.")
    lora_dropout: Dropout = Field(0.0, description="Dropout on the adapter's input.")
    target_modules: str | list[str] = Field(
        "all-linear", description="Names of the linear layers to adapt, or `all-linear` (all but the head)."
    )


class Ia3Method(Section):
    """Factors on keys, values and the feed-forward block's inner activations (arXiv:2205.05638)."""

    name: Literal["ia3"]
    target_modules: str | list[str] | None = Field(
        None,
        description="Names of the layers to rescale; none: keys, values and the feed-forward output layer.",
    )
    feedforward_modules: list[str] | None = Field(
        None,
        description="Those of them whose input is rescaled instead of their output; none: the feed-forward ones.",
    )


class PrefixMethod(Section):
    """Trained keys and values before every row, in every layer (arXiv:2101.00190)."""

    name: Literal["prefix"]
    num_virtual_tokens: PositiveInt = Field(20, description="Length of the prefix.")
    prefix_projection: bool = Field(False, description="Make the prefix by a small network of two layers.")
    encoder_hidden_size: PositiveInt | None = Field(
        None, description="Width inside that network; none: that of a key."
    )
    prefix_init_text: str | None = Field(
        None,
        description="Begin with the keys and values that the base computes for this text, repeated to the prefix's "
        "length; none: those of random tokens.",
    )


class PromptMethod(Section):
    """Trained embeddings before every row (arXiv:2104.08691)."""

    name: Literal["prompt"]
    num_virtual_tokens: PositiveInt = Field(20, description="Length of the soft prompt.")
    prompt_tuning_init: Literal["RANDOM", "SAMPLE_VOCAB", "TEXT"] = Field(
        "SAMPLE_VOCAB",
        description="First values: normal noise, embeddings of random tokens, or those of a text.",
    )
    prompt_tuning_init_text: str | None = Field(
        None, description="That text, repeated to the prompt's length; it must not be longer."
    )


class PTuningMethod(Section):
    """Trained embeddings before every row, made by a small network (arXiv:2103.10385)."""

    name: Literal["p_tuning"]
    num_virtual_tokens: PositiveInt = Field(20, description="Length of the soft prompt.")
    encoder_reparameterization_type: Literal["MLP", "LSTM"] = Field("MLP", description="The network.")
    encoder_hidden_size: PositiveInt | None = Field(
        None, description="Width inside the network; none: that of an embedding."
    )
    encoder_num_layers: PositiveInt | None = Field(None, description="Layers of the LSTM; none: 2.")
    encoder_dropout: Dropout = Field(0.0, description="Dropout between the layers of the LSTM.")


class BottleneckMethod(Section):
    """Small networks with a narrow middle after frozen blocks (arXiv:1902.00751)."""

    name: Literal["bottleneck"]
    placement: Literal["pfeiffer", "houlsby"] = Field(
        "pfeiffer",
        description="Behind the feed-forward block (arXiv:2005.00247), or behind the attention too (arXiv:1902.00751).",
    )
    reduction_factor: PositiveInt | None = Field(
        None, description="Width of the model over that of the middle; none: 16, unless the size is given."
    )
    bottleneck_size: PositiveInt | None = Field(None, description="Width of the middle.")
    non_linearity: Literal["relu", "gelu", "silu", "tanh"] = Field(
        "relu", description="Activation of the middle."
    )
    share_across_layers: bool = Field(
        False, description="One adapter for all layers at each place, instead of one for each layer."
    )


Method = Annotated[
    FullMethod
    | FreezeMethod
    | LoraMethod
    | AdaLoraMethod
    | Ia3Method
    | PrefixMethod
    | PromptMethod
    | PTuningMethod
    | BottleneckMethod,
    Field(discriminator="name"),
]
