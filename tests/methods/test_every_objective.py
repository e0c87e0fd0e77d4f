"""Every method on every objective that the plan lets it train: a run on real rows, from recipe to saved model."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
import yaml
from safetensors.torch import load_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from luthier.core.errors import ModelError, RecipeError
from luthier.core.events import read_events
from luthier.data.prepare import read_examples
from luthier.methods.build import build_method
from luthier.models.catalogue import CATALOGUE
from luthier.models.heads import head_of
from luthier.models.load import load_trained
from luthier.pipeline import job as job_module
from luthier.pipeline.job import Job
from luthier.pipeline.run import make_plan, run
from luthier.plan.compatibility import TRAITS, refusal_of
from luthier.recipe.load import load
from luthier.recipe.objective_sections import MultitaskObjective, Objective
from luthier.recipe.section import Section
from tests.methods.families import SECTIONS, config_of, is_declared
from tests.methods.real_rows import rows_of, write_rows
from tests.models.tiny_chat import TEMPLATE

FAMILIES = ("llama", "qwen2", "bert")
OBJECTIVES: dict[str, dict[str, Any]] = {
    "sft": {"name": "sft"},
    "pretraining": {"name": "pretraining"},
    "classification": {"name": "classification"},
    "multi_label": {"name": "classification", "problem": "multi_label"},
    "token_classification": {"name": "token_classification"},
    "question_answering": {"name": "question_answering", "doc_stride": 8},
    "several_heads": {"name": "multitask", "tasks": ["classification", "token_classification"]},
    "mixture": {"name": "multitask", "tasks": ["sft", "more_sft"]},
}
"""Kinds of objectives; ``tasks`` names those that go together."""

GENERATIVE = ("sft", "pretraining", "mixture")
VARIED = (("llama", "sft"), ("bert", "classification"))
"""Where every section of a method is tried; elsewhere one of each method."""

STEPS = 4


def refused(method: str, kind: str) -> bool:
    """Whether `luthier.plan.compatibility` says that the two do not go together, whatever the base."""
    traits = TRAITS[method]
    return any(refusal_of(method, name) for name in [kind, *_tasks(kind)]) or (
        kind == "several_heads" and traits.several_heads is not None
    )


def _tasks(kind: str) -> list[str]:
    return list(OBJECTIVES[kind].get("tasks", []))


def _combinations() -> Iterator[tuple[str, str, str]]:
    """Yield section, family and objective; a method that is new in `TRAITS` is tried as soon as it has a section."""
    one_of_each = {section.name: name for name, section in reversed(SECTIONS.items())}
    for family in FAMILIES:
        for kind in OBJECTIVES:
            names = SECTIONS if (family, kind) in VARIED else [one_of_each[method] for method in TRAITS]
            if family != "bert" or kind not in GENERATIVE:
                yield from ((name, family, kind) for name in names)


def _goes_together(name: str, family: str, kind: str) -> bool:
    method = SECTIONS[name].name
    return not refused(method, kind) and not (family == "bert" and TRAITS[method].encoders)


CASES = [case for case in _combinations() if _goes_together(*case)]
REFUSED = [case for case in _combinations() if not _goes_together(*case)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with rows of every kind and a base of every family, with a tokenizer of its kind that knows them."""
    folder = tmp_path_factory.mktemp("objectives")
    kinds = ["more_sft", *(kind for kind in OBJECTIVES if not _tasks(kind))]
    for kind in kinds:
        write_rows(kind, folder)
    texts = [text for kind in kinds for row in rows_of(kind) for text in _texts(list(row.values()))]
    for family in FAMILIES:
        _save_base(family, texts, folder / family)
    return folder


def _texts(values: list[Any]) -> Iterator[str]:
    for value in values:
        yield from [value] if isinstance(value, str) else _texts(value) if isinstance(value, list) else []


def _save_base(family: str, texts: list[str], folder: Path) -> None:
    from transformers import AutoModel, AutoModelForCausalLM

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "<|im_start|>", "<|im_end|>"]
    is_encoder = family == "bert"
    if is_encoder:
        tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
        tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        trainer: Any = trainers.WordPieceTrainer(
            vocab_size=600, special_tokens=special[:4], show_progress=False
        )
    else:
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(
            vocab_size=600, special_tokens=special, initial_alphabet=alphabet, show_progress=False
        )
    tokenizer.train_from_iterator(texts, trainer)
    marks: dict[str, Any] = {"eos_token": "<|im_end|>", "chat_template": TEMPLATE}
    if is_encoder:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]",
            pair="[CLS] $A [SEP] $B:1 [SEP]:1",
            special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
        )
        marks = {"unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", **marks).save_pretrained(folder)
    config = config_of(family)
    config.vocab_size, config.eos_token_id = tokenizer.get_vocab_size(), None if is_encoder else 5
    config.initializer_range = 0.1
    for dropout in ("hidden_dropout_prob", "attention_probs_dropout_prob"):
        setattr(config, dropout, 0.0)
    torch.manual_seed(1)
    (AutoModel if is_encoder else AutoModelForCausalLM).from_config(config).save_pretrained(folder)


def write_recipe(name: str, family: str, kind: str, folder: Path) -> Path:
    """Write the recipe of a combination: all rows in every step, so that the loss falls from step to step."""
    objective = dict(OBJECTIVES[kind])
    sources: list[dict[str, Any]] = [{"path": f"{kind}.jsonl"}]
    if tasks := _tasks(kind):
        objective["tasks"] = [
            {"name": task, "objective": OBJECTIVES[task.removeprefix("more_")]} for task in tasks
        ]
        sources = [{"path": f"{task}.jsonl", "task": task} for task in tasks]
    section: Section = SECTIONS[name]
    recipe = {
        "name": "case",
        "runs_dir": "runs",
        "model": {"base": family, "dtype": "float32"},
        "data": {"train": sources, "eval": {"split": 0.25}, "max_length": 64},
        "objective": objective,
        "method": section.model_dump(mode="json", exclude_unset=True) | {"name": SECTIONS[name].name},
        "train": {
            "learning_rate": 0.02 if kind in GENERATIVE else 0.003,
            "lr_scheduler_type": "constant",
            "warmup_steps": 0,
            "max_steps": STEPS,
            "per_device_train_batch_size": 64,
            "save_strategy": "steps",
            "save_steps": STEPS // 2,
            "save_total_limit": 3,
            "eval_strategy": "no",
            "logging_steps": 1,
            "report_to": [],
        },
    }
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe))
    return path


class Watched:
    """A method whose model can be looked at: the base, as it began, and as it is when training has ended."""

    def __init__(self, method: Any) -> None:
        self._method = method

    def apply(self, model: Any) -> Any:
        self.base = copy.deepcopy(model)
        self.model = self._method.apply(model)
        self.start = copy.deepcopy(self.model)
        return self.model

    def __getattr__(self, name: str) -> Any:
        return getattr(self._method, name)


@torch.no_grad()
def losses(job: Job, model: Any, split: Any = "eval") -> torch.Tensor:
    """Return the loss of each item."""
    rows = list(read_examples(job.dataset, split))
    model.eval()
    groups: dict[str | None, list[Any]] = {}
    for row in rows:
        groups.setdefault(row.task, []).append(row)
    return torch.cat([job.objective.item_losses(model, job.objective.collate(g)) for g in groups.values()])


def check_contract(recipe: Path, name: str, aside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Do a recipe and check what every method promises.

    Args:
        recipe: Of `STEPS` steps with a checkpoint half-way.
        name: Of the method's section.
        aside: An empty folder.
        monkeypatch: Lets the models be looked at.
    """
    watched: list[Watched] = []

    def build(*given: Any) -> Any:
        watched.append(Watched(build_method(*given)))
        return watched[-1]

    monkeypatch.setattr(job_module, "build_method", build)
    plan = make_plan(load(recipe))
    job = run(plan, until="train")
    base, start, model = watched[-1].base, watched[-1].start, watched[-1].model
    traits = TRAITS[SECTIONS[name].name]

    # Only what is declared changes, and something of it does.
    part, declared = head_of(model), is_declared(name)
    weights = dict(start.named_parameters())
    changed = {n for n, p in model.named_parameters() if not torch.equal(p, weights[n])}
    assert changed and all(declared(n) or part.holds(n) for n in changed)

    # It starts as the base, and what it learns from the rows lowers their loss.
    before, after = losses(job, start, "train").mean(), losses(job, model, "train").mean()
    if traits.starts_as_base:
        assert float(before) == pytest.approx(float(losses(job, base, "train").mean()), abs=1e-5)
    assert float(after) < float(before) - 1e-4
    told = [e["loss"] for e in read_events(job.folder.events_path) if e["kind"] == "train_step"]
    assert len(told) == STEPS and told[-1] < told[0]

    # What is saved comes back, and merging changes nothing.
    loaded, _ = load_trained(job.trained.folder, dtype=torch.float32)
    assert torch.allclose(losses(job, loaded), losses(job, model), atol=1e-3 if job.four_bit else 1e-4)
    if traits.merging is None:
        if job.four_bit:  # an adapter is merged into the base as it was
            loaded, _ = load_trained(job.trained.folder, dtype=torch.float32, base_form="original")
        expected = losses(job, loaded)
        merged = watched[-1].merge(loaded)
        assert {n for n, _ in merged.named_parameters()} == {n for n, _ in base.named_parameters()}
        assert torch.allclose(losses(job, merged), expected, atol=1e-3)
    else:
        with pytest.raises(ModelError, match="cannot be merged"):
            watched[-1].merge(loaded)

    # A run that is killed half-way ends in the same bytes.
    shutil.move(job.trained.folder, aside / "whole")
    shutil.rmtree(job.folder.path / "checkpoints" / f"step-{STEPS}")
    again = run(plan, until="train")
    assert "resume" in [event["kind"] for event in read_events(again.folder.events_path)]
    files = sorted(path.name for path in (aside / "whole").glob("*.safetensors"))
    assert files
    for file in files:
        one, other = load_file(aside / "whole" / file), load_file(again.trained.folder / file)
        assert one.keys() == other.keys()
        assert all(torch.equal(tensor, other[key]) for key, tensor in one.items())


@pytest.mark.parametrize(("name", "family", "kind"), CASES, ids=lambda value: value)
class TestEveryMethodOnEveryObjective:
    def test_keeps_its_contract(
        self, name: str, family: str, kind: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("LUTHIER_HOME", str(folder / "home"))
        monkeypatch.chdir(folder)
        check_contract(write_recipe(name, family, kind, folder), name, tmp_path, monkeypatch)


REAL = [
    ("lora", "smollm2-135m-instruct", "sft", {"learning_rate": 1e-3}),
    ("ia3", "smollm2-135m-instruct", "sft", {"learning_rate": 1e-2}),
    ("qlora", "smollm2-135m-instruct", "sft", {"learning_rate": 1e-3}),
    ("full", "minilm", "classification", {"learning_rate": 1e-4}),
    ("lora", "minilm", "classification", {"learning_rate": 1e-3}),
    ("ia3", "minilm", "token_classification", {"learning_rate": 3e-3}),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "base", "kind", "train"), REAL, ids=[f"{method}-{kind}" for method, _, kind, _ in REAL]
)
def test_the_main_methods_keep_it_on_real_models(
    method: str, base: str, kind: str, train: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not CATALOGUE[base].is_installed:
        pytest.skip(f"{base} is not installed")
    name = "lora" if method == "qlora" else method
    monkeypatch.chdir(tmp_path)
    write_rows(kind, tmp_path)
    path = write_recipe(name, base, kind, tmp_path)
    recipe = yaml.safe_load(path.read_text())
    recipe["train"] |= train
    if base.startswith("smollm2"):
        recipe["data"]["train"][0]["limit"] = 8  # each row costs seconds
    if method == "qlora":
        pytest.importorskip("bitsandbytes")
        recipe["model"]["load_in_4bit"] = True
    path.write_text(yaml.safe_dump(recipe))
    (tmp_path / "aside").mkdir()
    check_contract(path, name, tmp_path / "aside", monkeypatch)


@pytest.mark.parametrize(("name", "family", "kind"), REFUSED, ids=lambda value: value)
def test_the_plan_refuses_what_does_not_go_together(
    name: str, family: str, kind: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LUTHIER_HOME", str(folder / "home"))
    monkeypatch.chdir(folder)
    with pytest.raises(RecipeError) as caught:
        make_plan(load(write_recipe(name, family, kind, folder)))
    assert SECTIONS[name].name in str(caught.value)


def test_every_objective_of_the_recipe_is_tried() -> None:
    members = get_args(get_args(Objective)[0])
    tried = {objective["name"] for objective in OBJECTIVES.values()}
    assert {member.model_fields["name"].annotation.__args__[0] for member in members} == tried
    assert MultitaskObjective in members
    assert {SECTIONS[name].name for name, _, _ in CASES} == set(TRAITS)
