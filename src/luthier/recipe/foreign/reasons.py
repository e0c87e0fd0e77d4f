"""Why a key of another tool has no counterpart: what to do instead, or that nothing is lost."""

from __future__ import annotations

_NO_QUANTIZATION = "a base is stored in 4 bits (model.load_in_4bit) or as it is"
_SHARDED = "weights are not sharded: every process holds the whole model"
_SPEED = "speed or memory only: the result is the same"
_MERGE = "adapters start anew; merge the old ones into the base first"
_RESUME = "the same `luthier run` goes on from its last checkpoint"
_LOG = "metrics are in the run's events.jsonl and in TensorBoard"
_PEFT = "no counterpart among the keys of method: {name: lora}; see its page in the reference"
_EXACT = "the singular values are exact here: nothing is iterated"
_CONVERTED = "what begins with PiSSA is always saved as an ordinary adapter of twice the rank"
_ONE_RATE = "all weights have one learning rate"
_NO_NOISE = "no noise is added to embeddings"
_VOCABULARY = "tokens keep their numbers; new ones go to vocabulary.add_tokens"
_CONCATENATED = "data sets are concatenated; set `limit` of a source to weigh them"
_CONFIGURED = "the base's own configuration says it"
_KEPT = "prepared data is kept in the run folder"
_ONE_PROCESS = "a sequence is held by one process"
_MLFLOW = "name a register section: MLflow gets the finished model"

LLAMA_FACTORY_UNNEEDED = {
    "do_train": "`luthier run` trains",
    "do_eval": "held-out rows are always evaluated",
    "overwrite_cache": "prepared data is found by its content, so it is never stale",
    "overwrite_output_dir": "a run goes on where it stopped; `luthier run --fresh` starts over",
    "preprocessing_num_workers": _SPEED,
    "preprocessing_batch_size": _SPEED,
    "dataloader_num_workers": _SPEED,
    "plot_loss": "the report of a run shows the loss",
    "ddp_timeout": _SPEED,
    "flash_attn": _SPEED,
    "enable_liger_kernel": _SPEED,
    "use_unsloth": _SPEED,
    "use_unsloth_gc": _SPEED,
    "low_cpu_mem_usage": _SPEED,
    "tf32": _SPEED,
    "include_num_input_tokens_seen": "events.jsonl counts tokens",
    "print_param_status": "`luthier plan` counts what is trained",
    "tokenized_path": _KEPT,
    "use_fast_tokenizer": "always",
}

LLAMA_FACTORY_WITHOUT = {
    "fp16": "float16 overflows where bfloat16 does not: model.dtype auto chooses bfloat16 or float32",
    "quantization_*": _NO_QUANTIZATION,
    "double_quantization": _NO_QUANTIZATION,
    "deepspeed": _SHARDED,
    "fsdp*": _SHARDED,
    "adapter_name_or_path": _MERGE,
    "resume_from_checkpoint": _RESUME,
    "freeze_extra_modules": "write method.trainable_patterns yourself, e.g. '*norm*'",
    "additional_target": "only adapters are trained beside a frozen base",
    "pissa_iter": _EXACT,
    "pissa_convert": _CONVERTED,
    "loraplus_*": _ONE_RATE,
    "neftune_noise_alpha": _NO_NOISE,
    "predict_with_generate": "the evaluate section always generates: evaluate.num_generations",
    "generation_*": "answers are generated greedily; see the evaluate section",
    "max_new_tokens": "set evaluate.max_new_tokens",
    "export_*": "a finished run holds a model in Hugging Face layout",
    "streaming": "rows are prepared once and memory-mapped",
    "mix_strategy": _CONCATENATED,
    "interleave_probs": _CONCATENATED,
    "tool_format": "the chat template renders tools",
    "default_system": "write the system message into the rows",
    "lr_scheduler_kwargs": "the schedules have no settings of their own",
    "save_only_model": "checkpoints always hold what a run needs to resume",
    "run_name": _LOG,
    "use_swanlab": _LOG,
    "swanlab_*": _LOG,
    "rope_scaling": "positions beyond the base's own are refused",
    "resize_vocab": "new tokens have their rows as soon as there are any: see vocabulary",
    "pref_*": "preference training is not supported yet",
}

AXOLOTL_UNNEEDED = {
    "model_type": _CONFIGURED,
    "tokenizer_type": _CONFIGURED,
    "tokenizer_use_fast": "always",
    "dataset_prepared_path": _KEPT,
    "dataset_processes": _SPEED,
    "dataloader_*": _SPEED,
    "eval_sample_packing": "how held-out rows are batched does not change their loss",
    "pad_to_sequence_len": _SPEED,
    "flash_attention": _SPEED,
    "flash_attn_*": _SPEED,
    "attn_implementation": _SPEED,
    "xformers_attention": _SPEED,
    "sdp_attention": _SPEED,
    "s2_attention": _SPEED,
    "lora_mlp_kernel": _SPEED,
    "lora_qkv_kernel": _SPEED,
    "lora_o_kernel": _SPEED,
    "liger_*": _SPEED,
    "torch_compile*": _SPEED,
    "tf32": _SPEED,
    "gradient_checkpointing_kwargs": _SPEED,
    "save_safetensors": "always",
    "is_*_derived_model": _CONFIGURED,
    "strict": "unknown keys of a recipe are always refused",
    "debug": "no counterpart is needed",
    "ddp_timeout": _SPEED,
}

AXOLOTL_WITHOUT = {
    "fp16": "float16 overflows where bfloat16 does not: model.dtype auto chooses bfloat16 or float32",
    "load_in_*": _NO_QUANTIZATION,
    "gptq*": _NO_QUANTIZATION,
    "bnb_*": _NO_QUANTIZATION,
    "plugins": "there are no plugins; what one would change is not done",
    "special_tokens": "the tokenizer's own special tokens are used",
    "added_tokens_overrides": _VOCABULARY,
    "tokenizer_config": "the base's own tokenizer is used",
    "base_model_config": "the base's own configuration is used",
    "revision_of_model": "download that revision and name its folder as base",
    "deepspeed": _SHARDED,
    "fsdp*": _SHARDED,
    "lora_model_dir": _MERGE,
    "resume_from_checkpoint": _RESUME,
    "auto_resume_from_checkpoints": _RESUME,
    "lora_modules_to_save": "only adapters are trained beside a frozen base",
    "lora_fan_in_fan_out": "layers with transposed weights are not adapted",
    "lora_target_parameters": "only linear layers are adapted",
    "peft_*": _PEFT,
    "loraplus_*": _ONE_RATE,
    "embedding_lr*": _ONE_RATE,
    "unfrozen_parameters": "every weight is trained as it stands: write `method: {name: freeze, "
    "trainable_patterns: [...]}` with shell-style patterns",
    "neftune_noise_alpha": _NO_NOISE,
    "noisy_embedding_alpha": _NO_NOISE,
    "group_by_length": "rows are drawn at random; packing avoids the padding",
    "wandb_*": _LOG,
    "use_wandb": _LOG,
    "use_mlflow": _MLFLOW,
    "mlflow_*": _MLFLOW,
    "comet_*": _LOG,
    "hub_*": "models are registered, not uploaded",
    "lr_scheduler_kwargs": "the schedules have no settings of their own",
    "cosine_min_lr_ratio": "the cosine ends at zero",
    "loss_watchdog_*": "a loss that is not finite stops the run",
    "eval_table_size": "see evaluate.num_generations",
    "eval_max_new_tokens": "set evaluate.max_new_tokens",
    "save_only_model": "checkpoints always hold what a run needs to resume",
    "shuffle_merged_datasets": "rows are always shuffled",
    "pretraining_dataset": "name files as datasets with type: completion",
    "sequence_parallel_degree": _ONE_PROCESS,
    "context_parallel_size": _ONE_PROCESS,
}
