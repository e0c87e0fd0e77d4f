"""A change of every key of every method; all of them show in the weights."""

from __future__ import annotations

FREEZE = "method={name: freeze, trainable_layers: 1}"
GRADUAL = ("train.num_train_epochs=3", "method={name: freeze, unfreeze_every: 1, unfreeze_unit: steps}")
LORA = "method={name: lora, r: 4, lora_alpha: 8}"
ADALORA = "method={name: adalora, target_r: 2, init_r: 4}"
IA3 = "method={name: ia3}"
PREFIX, PROJECTED = "method={name: prefix}", "method={name: prefix, prefix_projection: true}"
PROMPT = "method={name: prompt}"
TEXT = "method={name: prompt, prompt_tuning_init: TEXT, prompt_tuning_init_text: time}"
P_TUNING = "method={name: p_tuning}"
LSTM = "method={name: p_tuning, encoder_reparameterization_type: LSTM}"
BOTTLENECK = "method={name: bottleneck}"

Changes = dict[str, tuple[tuple[str, ...], tuple[str, ...]]]
"""By key: what the second recipe has besides, and what both have."""


def _of(section: str, *before: str, **values: str) -> Changes:
    return {f"method<{section}>.{key}": ((f"method.{key}={value}",), before) for key, value in values.items()}


METHOD_CHANGES: Changes = {
    "method<AdaLoraMethod>.name": ((ADALORA,), (LORA,)),
    "method<Ia3Method>.name": ((IA3,), (LORA,)),
    "method<PrefixMethod>.name": ((PREFIX,), (LORA,)),
    "method<PromptMethod>.name": ((PROMPT,), (LORA,)),
    "method<PTuningMethod>.name": ((P_TUNING,), (PROMPT,)),
    "method<BottleneckMethod>.name": ((BOTTLENECK,), (LORA,)),
    "method<FreezeMethod>.head_only": (("method={name: freeze, head_only: true}",), (FREEZE,)),
    "method<PromptMethod>.prompt_tuning_init_text": (
        ("method.prompt_tuning_init_text=What is it?",),
        (TEXT,),
    ),
    "method<PromptMethod>.prompt_tuning_init": (("method.prompt_tuning_init=RANDOM",), (PROMPT,)),
    **_of("FreezeMethod", *GRADUAL, unfreeze_every="2", unfreeze_unit="epochs", unfreeze_layers="2"),
    **_of(
        "LoraMethod",
        LORA,
        exclude_modules="[q_proj]",
        layers_to_transform="[1]",
        rank_pattern="{q_proj: 2}",
        alpha_pattern="{q_proj: 2}",
        use_rslora="true",
        use_dora="true",
        init_lora_weights="pissa",
    ),
    **_of(
        "AdaLoraMethod",
        ADALORA,
        target_r="1",
        init_r="6",
        tinit="3",
        tfinal="4",
        deltaT="3",
        beta1="0.1",
        beta2="0.1",
        orth_reg_weight="2.0",
        lora_alpha="64",
        lora_dropout="0.5",
        target_modules="[q_proj]",
    ),
    **_of("Ia3Method", IA3, target_modules="[q_proj]"),
    **_of(
        "Ia3Method", "method={name: ia3, target_modules: [q_proj, o_proj]}", feedforward_modules="[o_proj]"
    ),
    **_of("PrefixMethod", PREFIX, num_virtual_tokens="3", prefix_projection="true", prefix_init_text="time"),
    **_of("PrefixMethod", PROJECTED, encoder_hidden_size="5"),
    **_of("PromptMethod", PROMPT, num_virtual_tokens="3"),
    **_of(
        "PTuningMethod",
        P_TUNING,
        num_virtual_tokens="3",
        encoder_reparameterization_type="LSTM",
        encoder_hidden_size="5",
    ),
    **_of("PTuningMethod", LSTM, encoder_num_layers="1", encoder_dropout="0.5"),
    **_of(
        "BottleneckMethod",
        BOTTLENECK,
        placement="houlsby",
        reduction_factor="4",
        bottleneck_size="3",
        non_linearity="tanh",
        share_across_layers="true",
    ),
}
