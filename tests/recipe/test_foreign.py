"""Importing LLaMA-Factory and Axolotl files: every value where it belongs, every key accounted for.

Keys, defaults and meanings are those of LLaMA-Factory's ``hparams/*_args.py`` and ``data/parser.py`` (with
Hugging Face ``TrainingArguments`` below them) and of Axolotl's configuration reference.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from luthier.core.errors import LuthierError, RecipeError
from luthier.plan.checks import check_recipe
from luthier.recipe.foreign.axolotl import AXOLOTL
from luthier.recipe.foreign.llama_factory import LLAMA_FACTORY
from luthier.recipe.foreign.render import recipe_text
from luthier.recipe.foreign.translate import Translation, read_foreign, translate
from luthier.recipe.load import LoadedRecipe, load, parse

LLAMA_FACTORY_FILE = """
### model
model_name_or_path: meta-llama/Meta-Llama-3-8B-Instruct
trust_remote_code: true

### method
stage: sft
do_train: true
finetuning_type: lora
lora_rank: 16
lora_target: q_proj,v_proj

### dataset
max_samples: 1000
dataset: identity,chats
eval_dataset: held_out
template: llama3
cutoff_len: 4096
mask_history: true
overwrite_cache: true

### output
output_dir: saves/llama3-8b/lora/sft
logging_steps: 10
save_steps: 250

### train
per_device_train_batch_size: 1
gradient_accumulation_steps: 8
learning_rate: 1e-4
num_train_epochs: 3.0
lr_scheduler_type: cosine
warmup_ratio: 0.1
bf16: true
neftune_noise_alpha: 5
resume_from_checkpoint: null
report_to: none

### eval
eval_strategy: steps
eval_steps: 50
"""

DATASET_INFO = {
    "identity": {"file_name": "identity.json"},
    "chats": {
        "file_name": "chats.jsonl",
        "formatting": "sharegpt",
        "columns": {"messages": "turns"},
        "tags": {
            "role_tag": "role",
            "content_tag": "content",
            "user_tag": "user",
            "assistant_tag": "assistant",
        },
    },
    "held_out": {
        "file_name": "held_out.json",
        "columns": {"prompt": "question", "query": "input", "response": "answer", "images": "pictures"},
        "num_samples": 50,
    },
    "pairs": {"file_name": "pairs.json", "ranking": True},
    "corpus": {"file_name": "corpus.json", "columns": {"prompt": "body"}},
}

AXOLOTL_FILE = """
base_model: NousResearch/Llama-3.2-1B
load_in_8bit: false
datasets:
  - path: chats.jsonl
    type: chat_template
    field_messages: conversations
    message_property_mappings: {role: from, content: value}
    split: train
    train_on_eos: all
  - path: teknium/GPT4-LLM-Cleaned
    type: alpaca
val_set_size: 0.1
output_dir: ./outputs/lora-out
adapter: lora
sequence_len: 2048
sample_packing: true
lora_r: 16
lora_alpha: 32
lora_dropout: 0.05
lora_target_linear: true
wandb_project: mine
gradient_accumulation_steps: 2
micro_batch_size: 2
num_epochs: 1
optimizer: adamw_8bit
lr_scheduler: constant_with_warmup
learning_rate: 2e-4
train_on_inputs: true
bf16: auto
gradient_checkpointing: true
flash_attention: true
warmup_steps: 10
evals_per_epoch: 4
saves_per_epoch: 1
weight_decay: 0.01
special_tokens:
  pad_token: "<|end_of_text|>"
"""

SMALLEST_LLAMA_FACTORY = {"model_name_or_path": "base", "dataset": "identity"}
SMALLEST_AXOLOTL = {"base_model": "base", "datasets": [{"path": "rows.jsonl"}]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with data sets, each file there but empty of meaning."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "dataset_info.json").write_text(json.dumps(DATASET_INFO))
    for entry in DATASET_INFO.values():
        (tmp_path / "data" / str(entry["file_name"])).write_text("[]")
    (tmp_path / "chats.jsonl").write_text("")
    return tmp_path


def imported(values: dict[str, Any] | str, folder: Path) -> tuple[Translation, LoadedRecipe]:
    """Translate a file, write the recipe one folder deeper, and load it."""
    source = folder / "theirs.yaml"
    source.write_text(values if isinstance(values, str) else yaml.safe_dump(values, sort_keys=False))
    target = folder / "recipes" / "ours.yaml"
    target.parent.mkdir(exist_ok=True)
    translation = translate(read_foreign(source), source, target.parent)
    target.write_text(recipe_text(translation, source.name))
    return translation, load(target)


def faults_of(values: dict[str, Any] | str, folder: Path) -> str:
    with pytest.raises(RecipeError) as caught:
        imported(values, folder)
    return str(caught.value)


def test_llama_factory_values(folder: Path) -> None:
    translation, loaded = imported(LLAMA_FACTORY_FILE, folder)
    assert translation.tool == "LLaMA-Factory"
    assert yaml.safe_load(loaded.text) == {
        "name": "sft",
        "runs_dir": "saves/llama3-8b/lora",
        "model": {
            "base": "meta-llama/Meta-Llama-3-8B-Instruct",
            "dtype": "bfloat16",
            "trust_remote_code": True,
        },
        "data": {
            "train": [
                {"path": "../data/identity.json", "schema": "alpaca", "limit": 1000},
                {
                    "path": "../data/chats.jsonl",
                    "schema": "messages",
                    "columns": {"messages": "turns"},
                    "limit": 1000,
                },
            ],
            "eval": {
                "sources": [
                    {
                        "path": "../data/held_out.json",
                        "schema": "alpaca",
                        "columns": {"instruction": "question", "output": "answer"},
                        "limit": 1000,
                    }
                ]
            },
            "clean": {"deduplicate": "off"},
            "max_length": 4096,
        },
        "objective": {"name": "sft", "loss_on": "last_turn"},
        "method": {"name": "lora", "r": 16, "lora_alpha": 32, "target_modules": ["q_proj", "v_proj"]},
        "train": {
            "learning_rate": 1e-4,
            "num_train_epochs": 3.0,
            "per_device_train_batch_size": 1,
            "gradient_accumulation_steps": 8,
            "lr_scheduler_type": "cosine",
            "warmup_ratio": 0.1,
            "gradient_checkpointing": True,
            "eval_strategy": "steps",
            "eval_steps": 50,
            "save_strategy": "steps",
            "save_steps": 250,
            "load_best_model_at_end": False,
            "logging_steps": 10,
            "report_to": [],
        },
    }
    assert list(check_recipe(loaded.recipe, loaded.origins, loaded.folder)) == []


def test_llama_factory_outcomes(folder: Path) -> None:
    translation, _ = imported(LLAMA_FACTORY_FILE, folder)
    assert [outcome.key for outcome in translation.of("dropped")] == [
        "template",
        "neftune_noise_alpha",
        "held_out.columns.images",
        "held_out.num_samples",
    ]
    assert [o.key for o in translation.of("unneeded")] == ["do_train", "overwrite_cache"]
    assert [o.key for o in translation.of("off")] == ["resume_from_checkpoint"]
    assert [o.paths for o in translation.outcomes if o.key == "max_samples"] == [
        ("data.train", "data.eval.sources")
    ]
    assert translation.notes == ()


def test_llama_factory_defaults_are_written_out(folder: Path) -> None:
    translation, loaded = imported(SMALLEST_LLAMA_FACTORY, folder)
    train = loaded.recipe.train
    assert (train.learning_rate, train.num_train_epochs, train.lr_scheduler_type) == (5e-5, 3.0, "linear")
    assert (train.warmup_ratio, train.save_strategy, train.save_steps) == (0.0, "steps", 500)
    assert loaded.recipe.data.max_length == 2048
    assert loaded.recipe.data.eval.split is None
    method = loaded.recipe.method
    assert method.name == "lora"
    assert (method.r, method.lora_alpha, method.target_modules) == (8, 16, "all-linear")
    whys = {default.path: default.why for default in translation.defaults}
    assert whys["method.lora_alpha"] == "LLaMA-Factory takes twice the rank"
    assert "split: 0.1" in whys["data.eval"]


def test_axolotl_values(folder: Path) -> None:
    translation, loaded = imported(AXOLOTL_FILE, folder)
    assert translation.tool == "Axolotl"
    assert yaml.safe_load(loaded.text) == {
        "name": "lora-out",
        "runs_dir": "outputs",
        "model": {"base": "NousResearch/Llama-3.2-1B", "dtype": "auto"},
        "data": {
            "train": [
                {"path": "../chats.jsonl", "schema": "sharegpt"},
                {"path": "teknium/GPT4-LLM-Cleaned", "schema": "alpaca"},
            ],
            "eval": {"split": 0.1},
            "clean": {"deduplicate": "off"},
            "max_length": 2048,
            "too_long": "drop",
        },
        "objective": {"name": "sft", "loss_on": "all"},
        "method": {
            "name": "lora",
            "r": 16,
            "lora_alpha": 32,
            "lora_dropout": 0.05,
            "target_modules": "all-linear",
        },
        "train": {
            "learning_rate": 2e-4,
            "num_train_epochs": 1,
            "per_device_train_batch_size": 2,
            "gradient_accumulation_steps": 2,
            "packing": True,
            "lr_scheduler_type": "constant",
            "warmup_steps": 10,
            "weight_decay": 0.01,
            "gradient_checkpointing": True,
            "eval_strategy": "epoch",
            "save_strategy": "epoch",
            "save_total_limit": 4,
        },
    }
    faults = [fault.path for fault in check_recipe(loaded.recipe, loaded.origins, loaded.folder)]
    assert faults == ["data.train[1].path"], "the hub data set is all that is missing"


def test_axolotl_outcomes(folder: Path) -> None:
    translation, _ = imported(AXOLOTL_FILE, folder)
    assert [outcome.key for outcome in translation.of("dropped")] == [
        "datasets[0].train_on_eos",
        "wandb_project",
        "optimizer",
        "special_tokens",
    ]
    assert [o.key for o in translation.of("unneeded")] == ["datasets[0].split", "flash_attention"]
    assert [o.key for o in translation.of("off")] == ["load_in_8bit"]
    (packing,) = (o for o in translation.outcomes if o.key == "sample_packing")
    assert "counts rows" in (packing.note or "")
    (evals,) = (o for o in translation.outcomes if o.key == "evals_per_epoch")
    assert "4 times there" in (evals.note or "")
    assert "teknium/GPT4-LLM-Cleaned: no such file yet" in translation.notes
    assert any("hub data set" in note for note in translation.notes)


def test_axolotl_defaults_are_written_out(folder: Path) -> None:
    _, loaded = imported(SMALLEST_AXOLOTL, folder)
    assert loaded.recipe.method.name == "full"
    assert loaded.recipe.data.max_length == 512
    assert loaded.recipe.train.per_device_train_batch_size == 1
    assert loaded.recipe.name == "theirs"


def test_comments_name_the_key_or_the_default(folder: Path) -> None:
    _, loaded = imported(LLAMA_FACTORY_FILE, folder)
    lines = [line.strip() for line in loaded.text.splitlines()]
    assert "r: 16  # from lora_rank: 16" in lines
    assert "lora_alpha: 32  # LLaMA-Factory takes twice the rank" in lines
    assert any(line.startswith("#   neftune_noise_alpha: 5 (") for line in lines)


@pytest.mark.parametrize(
    ("smallest", "key", "value", "path", "expected"),
    [
        (SMALLEST_LLAMA_FACTORY, "max_steps", 20, "train.max_steps", 20),
        (SMALLEST_LLAMA_FACTORY, "max_steps", -1, "train.max_steps", None),
        (SMALLEST_LLAMA_FACTORY, "max_grad_norm", 0, "train.max_grad_norm", None),
        (SMALLEST_LLAMA_FACTORY, "warmup_steps", 0.2, "train.warmup_ratio", 0.2),
        (SMALLEST_LLAMA_FACTORY, "warmup_steps", 20, "train.warmup_steps", 20),
        (SMALLEST_LLAMA_FACTORY, "train_on_prompt", True, "objective.loss_on", "all"),
        (SMALLEST_LLAMA_FACTORY, "neat_packing", True, "train.packing", True),
        (SMALLEST_LLAMA_FACTORY, "packing", False, "train.packing", False),
        (SMALLEST_LLAMA_FACTORY, "pure_bf16", True, "model.dtype", "bfloat16"),
        (SMALLEST_LLAMA_FACTORY, "disable_gradient_checkpointing", True, "train.gradient_checkpointing", False),
        (SMALLEST_LLAMA_FACTORY, "save_strategy", "epoch", "train.save_steps", None),
        (SMALLEST_LLAMA_FACTORY, "template", "chatml", "data.chat_template", "chatml"),
        (SMALLEST_LLAMA_FACTORY, "val_size", 0.2, "data.eval.split", 0.2),
        (SMALLEST_LLAMA_FACTORY, "val_size", 0.2, "train.eval_strategy", "no"),
        (SMALLEST_LLAMA_FACTORY, "report_to", ["wandb", "tensorboard"], "train.report_to", ["tensorboard"]),
        (SMALLEST_LLAMA_FACTORY, "seed", 7, "seed", 7),
        (SMALLEST_LLAMA_FACTORY, "add_tokens", "a b, c", "vocabulary.add_tokens", ["a b", "c"]),
        (SMALLEST_LLAMA_FACTORY, "new_special_tokens", ["<x>"], "vocabulary.add_special_tokens", ["<x>"]),
        (SMALLEST_LLAMA_FACTORY, "use_dora", True, "method.use_dora", True),
        (SMALLEST_LLAMA_FACTORY, "use_rslora", True, "method.use_rslora", True),
        (SMALLEST_LLAMA_FACTORY, "pissa_init", True, "method.init_lora_weights", "pissa"),
        ({**SMALLEST_LLAMA_FACTORY, "quantization_bit": 4}, "pissa_init", True, "method.init_lora_weights", "kaiming"),
        (SMALLEST_LLAMA_FACTORY, "optim", "adafactor", "train.optim", "adafactor"),
        ({**SMALLEST_LLAMA_FACTORY, "adam_beta1": 0.8}, "optim", "sgd", "train.adam_beta1", 0.9),
        ({**SMALLEST_AXOLOTL, "adapter": "lora"}, "peft_use_dora", True, "method.use_dora", True),
        ({**SMALLEST_AXOLOTL, "adapter": "lora"}, "peft_use_rslora", True, "method.use_rslora", True),
        ({**SMALLEST_AXOLOTL, "adapter": "lora"}, "peft_init_lora_weights", "gaussian",
         "method.init_lora_weights", "gaussian"),
        (SMALLEST_AXOLOTL, "optimizer", "adafactor", "train.optim", "adafactor"),
        (SMALLEST_AXOLOTL, "tokens", ["term"], "vocabulary.add_tokens", ["term"]),
        (SMALLEST_AXOLOTL, "adapter", "qlora", "method.name", "lora"),
        (SMALLEST_AXOLOTL, "adapter", "qlora", "model.load_in_4bit", True),
        ({**SMALLEST_AXOLOTL, "adapter": "lora"}, "load_in_4bit", True, "model.load_in_4bit", True),
        (SMALLEST_LLAMA_FACTORY, "quantization_bit", 4, "model.load_in_4bit", True),
        (SMALLEST_LLAMA_FACTORY, "double_quantization", False, "model.bnb_4bit_use_double_quant", True),
        (SMALLEST_AXOLOTL, "bf16", False, "model.dtype", "float32"),
        (SMALLEST_AXOLOTL, "excess_length_strategy", "raise", "data.too_long", "error"),
        (SMALLEST_AXOLOTL, "dataset_exact_deduplication", True, "data.clean.deduplicate.kind", "exact"),
        (SMALLEST_AXOLOTL, "save_strategy", "steps", "train.save_steps", 500),
        (SMALLEST_AXOLOTL, "save_steps", 50, "train.save_strategy", "steps"),
        (SMALLEST_AXOLOTL, "gradient_checkpointing", "unsloth", "train.gradient_checkpointing", True),
        (SMALLEST_AXOLOTL, "chat_template", "chatml", "data.chat_template", "chatml"),
        (SMALLEST_AXOLOTL, "adam_beta2", 0.95, "train.adam_beta2", 0.95),
    ],
)  # fmt: skip
def test_one_key(
    folder: Path, smallest: dict[str, Any], key: str, value: Any, path: str, expected: Any
) -> None:
    _, loaded = imported({**smallest, key: value}, folder)
    place: Any = loaded.recipe.model_dump(by_alias=True)
    for part in path.split("."):
        place = place[part]
    assert place == expected


@pytest.mark.parametrize(("count", "layers", "patterns"), [
    (3, 3, []),
    (-2, None, ["*.layers.0.*", "*.layers.1.*"]),
])  # fmt: skip
def test_freeze_counts_from_either_end(
    folder: Path, count: int, layers: int | None, patterns: list[str]
) -> None:
    keys = {"finetuning_type": "freeze", "freeze_trainable_layers": count, "lora_rank": 8}
    translation, loaded = imported({**SMALLEST_LLAMA_FACTORY, **keys}, folder)
    method = loaded.recipe.method
    assert method.name == "freeze"
    assert (method.trainable_layers, method.trainable_patterns) == (layers, patterns)
    assert [o.key for o in translation.of("unneeded")] == ["lora_rank"]


def test_a_constant_rate_is_not_warmed_up_there(folder: Path) -> None:
    keys = {"lr_scheduler_type": "constant", "warmup_ratio": 0.1}
    translation, loaded = imported({**SMALLEST_LLAMA_FACTORY, **keys}, folder)
    assert (loaded.recipe.train.lr_scheduler_type, loaded.recipe.train.warmup_ratio) == ("constant", 0.0)
    assert [o.key for o in translation.of("unneeded")] == ["warmup_ratio"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("fp16", True), ("freeze_trainable_layers", 0),
        ("val_size", 200), ("learning_rate", "fast"), ("learning_rate", -1.0), ("save_steps", 0.1),
        ("lr_scheduler_type", "polynomial"), ("optim", "lion"), ("cutoff_len", 0), ("bf16", "perhaps"),
        ("never_heard_of", 0), ("quantization_bit", 8), ("save_strategy", "best"),
    ],
)  # fmt: skip
def test_what_has_no_counterpart_is_listed(folder: Path, key: str, value: Any) -> None:
    translation, loaded = imported({**SMALLEST_LLAMA_FACTORY, key: value}, folder)
    assert [o.key for o in translation.of("dropped")] == [key]
    assert f"#   {key}: " in loaded.text


def test_pretraining_on_text(folder: Path) -> None:
    keys = {"stage": "pt", "dataset": "corpus", "train_on_prompt": True}
    _, ours = imported({**SMALLEST_LLAMA_FACTORY, **keys}, folder)
    entry = {"path": "chats.jsonl", "type": "completion", "field": "body"}
    _, same = imported({**SMALLEST_AXOLOTL, "datasets": [entry]}, folder)
    for loaded in (ours, same):
        assert loaded.recipe.objective.name == "pretraining"
        (source,) = loaded.recipe.data.train
        assert (source.schema_, source.columns) == ("text", {"text": "body"})
        assert list(check_recipe(loaded.recipe, loaded.origins, loaded.folder)) == []


def test_data_sets_without_a_description_are_noted(folder: Path) -> None:
    translation, _ = imported({**SMALLEST_LLAMA_FACTORY, "dataset": "unheard"}, folder)
    assert translation.notes[0].startswith("dataset: unheard is not described by a data/dataset_info.json")


@pytest.mark.parametrize("stage", ["dpo", "rm", "kto", "ppo"])
def test_other_stages_are_refused(folder: Path, stage: str) -> None:
    faults = faults_of({**SMALLEST_LLAMA_FACTORY, "stage": stage}, folder)
    assert f"stage: stage {stage} is not supported yet" in faults


def test_preferences_are_refused(folder: Path) -> None:
    assert "preference training" in faults_of({**SMALLEST_AXOLOTL, "rl": "dpo"}, folder)
    assert "ranked answers" in faults_of({**SMALLEST_LLAMA_FACTORY, "dataset": "pairs"}, folder)


def test_all_faults_come_at_once(folder: Path) -> None:
    faults = faults_of({**SMALLEST_LLAMA_FACTORY, "stage": "dpo", "finetuning_type": "oft"}, folder)
    assert "2 faults" in faults


def test_mixed_data_sets_are_refused(folder: Path) -> None:
    entries = [{"path": "a.jsonl", "type": "completion"}, {"path": "b.jsonl", "type": "alpaca"}]
    assert "make two recipes" in faults_of({**SMALLEST_AXOLOTL, "datasets": entries}, folder)


def test_held_out_text_does_not_fit_conversations(folder: Path) -> None:
    keys = {
        "datasets": [{"path": "a.jsonl", "type": "alpaca"}],
        "test_datasets": [{"path": "b", "type": "completion"}],
    }
    assert "make two recipes" in faults_of({**SMALLEST_AXOLOTL, **keys}, folder)


def test_evaluation_every_so_many_steps_needs_a_number(folder: Path) -> None:
    keys = {"val_set_size": 0.1, "eval_strategy": "steps", "logging_steps": 20}
    _, loaded = imported({**SMALLEST_AXOLOTL, **keys}, folder)
    assert (loaded.recipe.train.eval_strategy, loaded.recipe.train.eval_steps) == ("steps", 20)


def test_a_file_without_data_or_base_is_refused(folder: Path) -> None:
    faults = faults_of({"stage": "sft", "learning_rate": 1e-4}, folder)
    assert "model.base" in faults and "data.train" in faults


def test_the_tool_must_be_clear(folder: Path) -> None:
    with pytest.raises(LuthierError, match=r"keys of two tools.*model_name_or_path.*base_model"):
        imported({**SMALLEST_LLAMA_FACTORY, **SMALLEST_AXOLOTL}, folder)
    with pytest.raises(LuthierError, match="no tool that can be imported"):
        imported({"learning_rate": 1e-4, "seed": 1}, folder)


@pytest.mark.parametrize(
    ("content", "said"),
    [("- a\n- b\n", "mapping"), ("a: [", "YAML"), ("seed: 1\nstage: sft\nseed: 2\n", "seed (line 3): stands twice")],
)  # fmt: skip
def test_broken_files(folder: Path, content: str, said: str) -> None:
    assert said in faults_of(content, folder)


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3000),
    st.floats(-1, 4),
    st.sampled_from(
        ["", "no", "steps", "epoch", "auto", "all", "1e-4", "linear", "cosine", "constant", "chatml"]
    ),
    st.text(max_size=8),
    st.lists(st.text(max_size=4), max_size=3),
    st.dictionaries(st.text(max_size=4), st.integers(), max_size=2),
)
REFUSED = {"stage", "finetuning_type", "rl", "reward_model", "process_reward_model", "adapter"}
NEEDED = {*SMALLEST_LLAMA_FACTORY, *SMALLEST_AXOLOTL}


@pytest.mark.parametrize(
    ("tool", "smallest"), [(LLAMA_FACTORY, SMALLEST_LLAMA_FACTORY), (AXOLOTL, SMALLEST_AXOLOTL)]
)
@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_no_key_disappears_and_the_recipe_holds_together(
    tool: Any, smallest: Any, data: st.DataObject
) -> None:
    known = sorted({*tool.rules, *tool.unneeded, *tool.without} - REFUSED - NEEDED)
    names = st.one_of(st.sampled_from(known), st.text(min_size=1, max_size=6).map("x".__add__))
    values = {**data.draw(st.dictionaries(names, VALUES, max_size=12)), **smallest}
    folder = Path("/nowhere")
    translation = translate(values, folder / "theirs.yaml", folder)

    keys = [outcome.key for outcome in translation.outcomes]
    assert sorted(keys) == sorted(values), "each key is translated, off or listed, and only once"
    for outcome in translation.outcomes:
        assert outcome.kind == "translated" or not outcome.paths
        assert outcome.paths if outcome.kind == "translated" else outcome.kind == "off" or outcome.note
        is_nothing = outcome.value is None or outcome.value is False
        if outcome.kind == "off" and outcome.key not in tool.rules:
            assert is_nothing or outcome.value in ("", [], {}, "none")
    text = recipe_text(translation, "theirs.yaml")
    loaded = parse(text, folder=folder)
    assert yaml.safe_load(text) == translation.recipe
    faults = [f for f in check_recipe(loaded.recipe, loaded.origins, folder) if not f.path.endswith(".path")]
    assert faults == []
