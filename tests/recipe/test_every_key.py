"""Every leaf key of the recipe changes what is done, and the fingerprint of what it changes; a new key fails here."""

from __future__ import annotations

import contextlib
import errno
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import BaseModel

from luthier.core.errors import DiskFullError, GateFailedError, RecipeError
from luthier.core.events import read_events
from luthier.core.files import read_json
from luthier.core.hashing import hash_file
from luthier.data.read import DataError
from luthier.evaluate.robustness import embedding_attack
from luthier.evaluate.robustness.classifier import ClassifierVictim
from luthier.objectives.language_modeling import LanguageModeling
from luthier.pipeline import job as job_module
from luthier.pipeline import stages, text_side
from luthier.pipeline.job import Job, open_job
from luthier.pipeline.run import make_plan, run
from luthier.recipe.load import load
from luthier.recipe.objective_sections import SftObjective
from luthier.recipe.schema import PhaseSection, Recipe, sections_in
from luthier.registry.stage import ModelVersion
from luthier.train import checkpoint
from luthier.train.stage import prepare_model
from tests.models.tiny_chat import TEMPLATE, make_chat_llama, make_chat_tokenizer
from tests.models.tiny_encoder import save_tiny_encoder
from tests.recipe.benchmark_changes import BENCHMARK_CHANGES, BENCHMARKS, benchmarked
from tests.recipe.fairness_changes import FAIRNESS_CHANGES, PENALTY_CHANGES, fair, fair_weights
from tests.recipe.fitting_changes import FITTING_CHANGES, fitted
from tests.recipe.leaks_and_safety_changes import LEAKS_AND_SAFETY_CHANGES, examined, judged
from tests.recipe.method_changes import METHOD_CHANGES
from tests.recipe.multitask_changes import MULTITASK_CHANGES, WHOLE
from tests.recipe.pass_at_k_changes import PASS_AT_K_CHANGES, sampled
from tests.recipe.robustness_changes import ROBUSTNESS_CHANGES
from tests.recipe.test_every_data_key import DATA_CHANGES
from tests.tiny_job import COLOURS, write_recipe

Seen = Any
Patch = pytest.MonkeyPatch


def leaf_keys(model: type[BaseModel], path: str = "") -> Iterator[str]:
    """Yield the path of every leaf key; members of a union are told apart by their class."""
    for name, info in model.model_fields.items():
        # What a training that comes first has of the recipe's own sections has its entries there.
        sections = [] if model is PhaseSection else sections_in(info.annotation)
        key = f"{path}{info.alias or name}"
        if not sections or key in WHOLE:
            yield key
            continue
        for section in sections:
            member = f"<{section.__name__}>" if len(sections) > 1 else ""
            yield from leaf_keys(section, f"{key}{'[]' if 'list[' in str(info.annotation) else ''}{member}.")


@dataclass(frozen=True)
class Run:
    """Where the runs of these tests take place."""

    recipe: Path
    folder: Path

    def job(self, *overrides: str, until: str | None = None) -> Job:
        """Do a recipe in a folder of its own."""
        return run(make_plan(load(self.recipe, [f"runs_dir={self.folder}", *overrides])), until=until)


def folder_name(made: Run, patch: Patch, *overrides: str) -> Seen:
    return made.job(*overrides, until="data").folder.name.rsplit("-", 1)[0]


def folder_place(made: Run, patch: Patch, *overrides: str) -> Seen:
    return run(make_plan(load(made.recipe, overrides)), until="data").folder.path.parent.name


def rows(made: Run, patch: Patch, *overrides: str) -> Seen:
    """The encoded rows, and the data stage's fingerprint."""
    try:
        dataset = made.job(*overrides, until="data").dataset
    except DataError as error:
        return {"value": error.problem, "fingerprint": "", "failed": True}
    return {"value": dataset.content_hash, "fingerprint": dataset.fingerprint}


def profiled(made: Run, patch: Patch, *overrides: str) -> Seen:
    """What the profile tells of tokens."""
    curated = made.job(*overrides, until="rows").rows
    return {"value": read_json(curated.folder / "profile.json")["tokens"], "fingerprint": curated.fingerprint}


def weights(made: Run, patch: Patch, *overrides: str) -> Seen:
    trained = made.job(*overrides, until="train").trained
    hashes = {path.name: hash_file(path) for path in trained.folder.glob("*.safetensors")}
    return {"value": hashes, "fingerprint": trained.fingerprint}


def result_step(made: Run, patch: Patch, *overrides: str) -> Seen:
    trained = made.job(*overrides, until="train").trained
    return {"value": (trained.step, trained.num_steps), "fingerprint": trained.fingerprint}


def told(kind: str, made: Run, patch: Patch, *overrides: str) -> Seen:
    """The steps at which the loop tells of ``kind``."""
    job = made.job(*overrides, until="train")
    steps = [event["step"] for event in read_events(job.folder.events_path) if event["kind"] == kind]
    return {"value": steps, "fingerprint": job.trained.fingerprint}


def cosines(made: Run, patch: Patch, *overrides: str) -> Seen:
    """The steps at which the gradients of tasks are compared."""
    job = made.job(*overrides, until="train")
    events = read_events(job.folder.events_path)
    steps = [event["step"] for event in events if "gradient_cosines" in event]
    return {"value": steps, "fingerprint": job.trained.fingerprint}


def batches(made: Run, patch: Patch, *overrides: str) -> Seen:
    """Rows of each batch, and whether they are packed."""
    seen = []
    collate = LanguageModeling.collate

    def watched(self: LanguageModeling, examples: Any) -> Any:
        batch = collate(self, examples)
        seen.append((len(examples), batch.attention_mask is None))
        return batch

    patch.setattr(LanguageModeling, "collate", watched)
    trained = made.job(*overrides, until="train").trained
    return {"value": seen, "fingerprint": trained.fingerprint}


def checkpoints_left(made: Run, patch: Patch, *overrides: str) -> Seen:
    return len(list((made.job(*overrides, until="train").folder.path / "checkpoints").glob("step-*")))


def tensorboard(made: Run, patch: Patch, *overrides: str) -> Seen:
    return (made.job(*overrides, until="train").folder.path / "tensorboard").is_dir()


def checkpointing(made: Run, patch: Patch, *overrides: str) -> Seen:
    job = open_job(make_plan(load(made.recipe, overrides)), is_recorded=False)
    model = job.load_base()
    prepare_model(model, job.recipe.train, job.dtype)
    return model.is_gradient_checkpointing


def remote_code(made: Run, patch: Patch, *overrides: str) -> Seen:
    patch.setattr(job_module, "load_model", lambda folder, **options: options["trust_remote_code"])
    patch.setattr(Job, "objective", SimpleNamespace(head=None))
    patch.setattr(text_side, "load_tokenizer", lambda folder, **options: options["trust_remote_code"])
    job = open_job(make_plan(load(made.recipe, overrides)), is_recorded=False)
    assert job.load_base() == job.tokenizer
    return job.tokenizer


def minutes_waited(made: Run, patch: Patch, *overrides: str) -> Seen:
    """On a disk that stays full, by a clock that sleeping moves."""
    clock = [0.0]

    def sleep(seconds: float) -> None:
        clock[0] += seconds

    def full(*arguments: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    patch.setattr(checkpoint, "time", SimpleNamespace(monotonic=lambda: clock[0], sleep=sleep))
    patch.setattr(checkpoint, "save_file", full)
    with pytest.raises(DiskFullError):
        made.job(*overrides, until="train")
    return clock[0] / 60


def report(part: str, made: Run, patch: Patch, *overrides: str) -> Seen:
    """A part of the report, also where a gate fails."""
    with contextlib.suppress(GateFailedError):
        made.job(*overrides, until="evaluate")
    (path,) = made.folder.glob("*/report/report.json")
    return {
        "value": read_json(path)[part],
        "fingerprint": read_json(path.with_name("artifact.json"))["fingerprint"],
    }


def attacked(made: Run, patch: Patch, *overrides: str) -> Seen:
    """What an attacker asks, how far embeddings are moved, and the counts; or what the plan refuses."""
    seen: list[Any] = []
    ask, logits = ClassifierVictim.ask, embedding_attack._logits

    def asked(victim: ClassifierVictim, samples: Any) -> Any:
        seen.append(sorted(str(sample.text) for sample in samples))
        return ask(victim, samples)

    def moved(victim: Any, batch: Any, change_BTD: Any) -> Any:
        seen.append(round(float(change_BTD.detach().double().square().sum(dim=(0, 1))[::3].sum()), 7))
        return logits(victim, batch, change_BTD)

    patch.setattr(ClassifierVictim, "ask", asked)
    patch.setattr(embedding_attack, "_logits", moved)
    try:
        found = report("examinations", made, patch, *overrides)
    except RecipeError as error:
        return str(error)
    return {"value": seen, "fingerprint": found["fingerprint"]}


def registered(made: Run, patch: Patch, *overrides: str) -> Seen:
    """What the registry is asked for."""

    def fake(
        name: str, alias: str, model: Path, tracked: Any, *, tracking_uri: str, **more: Any
    ) -> ModelVersion:
        place = {key: more[key] for key in ("folder", "fingerprint")}
        return ModelVersion(**place, name=name, version=1, alias=alias, uri="", tracking_uri=tracking_uri)

    patch.setattr(stages, "register", fake)
    version = made.job("evaluate={num_generations: 0}", *overrides).artifacts["register"]
    value = (version.name, version.alias, version.tracking_uri)
    return {"value": value, "fingerprint": version.fingerprint}


def vocabulary(made: Run, patch: Patch, *overrides: str) -> Seen:
    """The tokens that were added."""
    grown = made.job(*overrides, until="vocabulary").vocabulary
    assert grown
    return {"value": read_json(grown.folder / "vocabulary.json")["added"], "fingerprint": grown.fingerprint}


def phase(made: Run, patch: Patch, *overrides: str) -> Seen:
    """What a receipt tells of the training that came first; whether its gates stop the rest."""
    try:
        told_of_it = dict(made.job(*overrides, until="train").before[0])
    except GateFailedError:
        return "stopped"
    return str({key: value for key, value in told_of_it.items() if key not in ("run", "seconds")})


@dataclass(frozen=True)
class Change:
    """A change of one key and where its effect shows.

    Args:
        observe: Runs a recipe and returns what is compared.
        before: What both recipes have.
        after: What the second has in addition; only the key, and keys that it cannot stand without.
    """

    observe: Callable[..., Seen]
    after: tuple[str, ...]
    before: tuple[str, ...] = ()


def change(observe: Callable[..., Seen], *after: str, before: tuple[str, ...] = ()) -> Change:
    return Change(observe, after, before)


BOTH = ("data.train=[{path: both.jsonl, schema: alpaca}]",)
RAW = ("objective={name: pretraining}", "evaluate={}", "data.train=[{path: raw.jsonl, schema: text}]")
LABELLED = (
    "objective={name: classification}", "evaluate={}", "data.train=[{path: labelled.jsonl, schema: classification}]"
)  # fmt: skip
TAGGED = (
    "objective={name: token_classification}", "evaluate={}", "data.train=[{path: tagged.jsonl}]"
)  # fmt: skip
ASKED = (
    "objective={name: question_answering, doc_stride: 4}", "evaluate={}", "data.train=[{path: asked.jsonl}]",
    "data.max_length=60", "train.max_steps=2",
)  # fmt: skip
NEGATIVE = ("objective={name: question_answering, doc_stride: 4, version_2_with_negative: true}", *ASKED[1:])
TURNS = ("data.train=[{path: turns.jsonl, schema: messages}]",)
TALK = ("data.train=[{path: talk.jsonl, schema: messages}]",)
TERMS = ("vocabulary={add_tokens: auto, min_frequency: 4, max_new_tokens_added: 5}",)
FIRST = (
    "before=[{name: first, objective: {name: sft}, data: {train: [{path: both.jsonl, schema: alpaca}]}, "
    "train: {max_steps: 2}, evaluate: {num_generations: 2, max_new_tokens: 4}}]",
)
HELD = ("data.eval={sources: [{path: held.jsonl, schema: alpaca}]}",)
FULL, FREEZE = "method={name: full}", "method={name: freeze, trainable_layers: 1}"
PATTERNS = ("method={name: freeze, trainable_patterns: ['*mlp*']}",)
EVERY_STEP = ("train.eval_strategy=steps", "train.eval_steps=1")
UNSTABLE = (
    *EVERY_STEP,
    "train.learning_rate=1.0",
    "train.warmup_steps=0",
    "train.lr_scheduler_type=constant",
    FULL,
)
PATIENT = (*EVERY_STEP, "train.warmup_steps=0", "train.early_stopping_patience=2")
SAVED = ("train.save_strategy=steps", "train.save_steps=2")
GATE, RELATIVE = "gates=[{metric: eval_loss, max: 100}]", "relative_to: base, better_by: -9"
GATES = (
    f"gates=[{{metric: eval_loss, {RELATIVE}}}]",
    f"gates=[{{metric: eval_loss, max: 100, {RELATIVE}}}]",
)
REGISTER = "register={name: one, alias: a, tracking_uri: 'sqlite:///one.db'}"

CHAMPION = "gates=[{metric: eval_loss, relative_to: champion, better_by: 0}]"

CHANGES: dict[str, Change] = {
    "name": change(folder_name, "name=other"),
    "seed": change(weights, "seed=7"),
    "runs_dir": change(folder_place, "runs_dir=elsewhere", before=("runs_dir=here",)),
    "model.base": change(weights, "model.base=other_base"),
    "model.dtype": change(weights, "model.dtype=bfloat16"),
    "model.trust_remote_code": change(remote_code, "model.trust_remote_code=true"),
    "model.load_in_4bit": change(weights, "model.load_in_4bit=true"),
    "model.bnb_4bit_quant_type": change(
        weights, "model.bnb_4bit_quant_type=fp4", before=("model.load_in_4bit=true",)
    ),
    "model.bnb_4bit_use_double_quant": change(
        weights, "model.bnb_4bit_use_double_quant=false", before=("model.load_in_4bit=true",)
    ),
    "before[].name": change(phase, "before.0.name=other", before=FIRST),
    "before[].data": change(phase, "before.0.data={train: [{path: raw.jsonl, schema: alpaca}]}", before=FIRST),
    "before[].objective": change(phase, "before.0.objective={name: sft, loss_on: all}", before=FIRST),
    "before[].vocabulary": change(phase, "before.0.vocabulary={add_tokens: [black]}", before=FIRST),
    "before[].method": change(phase, "before.0.method={name: full}", before=FIRST),
    "before[].train": change(phase, "before.0.train={max_steps: 3}", before=FIRST),
    "before[].evaluate": change(phase, "before.0.evaluate={metrics: [perplexity]}", before=FIRST),
    "before[].gates": change(phase, "before.0.gates=[{metric: eval_loss, max: 0.001}]", before=FIRST),
    "vocabulary.add_tokens": change(
        vocabulary, "vocabulary.add_tokens=[black, brown]", before=("vocabulary={add_tokens: [black]}",)
    ),
    "vocabulary.max_new_tokens_added": change(vocabulary, "vocabulary.max_new_tokens_added=2", before=TERMS),
    "vocabulary.min_frequency": change(vocabulary, "vocabulary.min_frequency=14", before=TERMS),
    "vocabulary.max_words": change(
        vocabulary, "vocabulary.max_words=2",
        before=("vocabulary={add_tokens: auto, min_frequency: 2, max_new_tokens_added: 60}",),
    ),
    "vocabulary.add_special_tokens": change(vocabulary, "vocabulary.add_special_tokens=['<|note|>']", before=TERMS),
    "vocabulary.new_vocab_size": change(
        vocabulary, "vocabulary.new_vocab_size=310", before=("vocabulary={new_vocab_size: 300}",)
    ),
    "vocabulary.init": change(weights, "vocabulary.init=random", before=TERMS),
    "data.train[].path": change(rows, "data.train.0.path=held.jsonl", before=BOTH),
    "data.train[].schema": change(rows, "data.train.0.schema=prompt_completion", before=BOTH),
    "data.train[].columns": change(rows, "data.train.0.columns={output: completion}", before=BOTH),
    "data.train[].roles": change(rows, "data.train.0.roles=[narrator]", before=TALK),
    "data.train[].limit": change(rows, "data.train.0.limit=9", before=BOTH),
    "data.eval.split": change(rows, "data.eval.split=0.5"),
    "data.eval.sources[].path": change(rows, "data.eval.sources.0.path=held_too.jsonl", before=HELD),
    "data.eval.sources[].schema": change(rows, "data.eval.sources.0.schema=prompt_completion", before=HELD),
    "data.eval.sources[].columns": change(rows, "data.eval.sources.0.columns={output: completion}", before=HELD),
    "data.eval.sources[].roles": change(
        rows, "data.eval.sources.0.roles=[narrator]",
        before=(*TURNS, "data.eval={sources: [{path: talk_too.jsonl, schema: messages}]}"),
    ),
    "data.eval.sources[].limit": change(rows, "data.eval.sources.0.limit=2", before=HELD),
    "data.eval.group_by": change(rows, "data.eval.group_by=colour", before=BOTH),

    "data.profile.tokens": change(
        profiled, "data.profile={enabled: true, tokens: false}", before=("data.profile={enabled: true}",)
    ),
    "data.max_length": change(rows, "data.max_length=44"),
    "data.too_long": change(rows, "data.too_long=drop", before=("data.max_length=44",)),
    "data.train_share": change(rows, "data.train_share=0.5"),
    "data.chat_template": change(rows, "data.chat_template=other.jinja"),
    "objective<SftObjective>.name": change(rows, "objective.name=sft", "data.train.0.schema=alpaca", before=RAW),
    "objective<SftObjective>.loss_on": change(rows, "objective={name: sft, loss_on: all}"),
    "objective<SftObjective>.expand_turns": change(rows, "objective={name: sft, expand_turns: true}", before=TURNS),
    "objective<PretrainingObjective>.name": change(rows, *RAW),
    "objective<PretrainingObjective>.documents": change(rows, "objective.documents=concatenate", before=RAW),
    "objective<ClassificationObjective>.name": change(rows, *LABELLED),
    "objective<ClassificationObjective>.problem": change(rows, "objective.problem=multi_label", before=LABELLED),
    "objective<ClassificationObjective>.labels": change(rows, "objective.labels=[warm, cold]", before=LABELLED),
    "objective<ClassificationObjective>.class_weights": change(
        rows, "objective.class_weights=balanced", before=LABELLED
    ),
    "objective<ClassificationObjective>.focal_gamma": change(weights, "objective.focal_gamma=2", before=LABELLED),
    "objective<ClassificationObjective>.label_smoothing": change(
        weights, "objective.label_smoothing=0.2", before=LABELLED
    ),
    "objective<TokenClassificationObjective>.name": change(rows, *TAGGED),
    "objective<TokenClassificationObjective>.scheme": change(rows, "objective.scheme=none", before=TAGGED),
    "objective<TokenClassificationObjective>.invalid_tags": change(
        rows, "objective.invalid_tags=repair", before=TAGGED
    ),
    "objective<TokenClassificationObjective>.label_on": change(rows, "objective.label_on=last", before=TAGGED),
    "objective<TokenClassificationObjective>.label_smoothing": change(
        weights, "objective.label_smoothing=0.2", before=TAGGED
    ),
    "objective<QuestionAnsweringObjective>.name": change(rows, *ASKED),
    "objective<QuestionAnsweringObjective>.doc_stride": change(rows, "objective.doc_stride=20", before=ASKED),
    "objective<QuestionAnsweringObjective>.version_2_with_negative": change(
        rows, "objective.version_2_with_negative=true", before=ASKED
    ),
    "objective<QuestionAnsweringObjective>.null_score_diff_threshold": change(
        partial(report, "task"), "objective.null_score_diff_threshold=99", before=NEGATIVE
    ),
    "objective<QuestionAnsweringObjective>.n_best_size": change(
        partial(report, "tables"), "objective.n_best_size=1", before=ASKED
    ),
    "objective<QuestionAnsweringObjective>.max_answer_length": change(
        partial(report, "task"), "objective.max_answer_length=1", before=ASKED
    ),
    "method<FullMethod>.name": change(weights, FULL),
    "method<FreezeMethod>.name": change(weights, FREEZE),
    "method<FreezeMethod>.trainable_layers": change(weights, "method.trainable_layers=2", before=(FREEZE,)),
    "method<FreezeMethod>.trainable_patterns": change(weights, "method.trainable_patterns=['*attn*']", before=PATTERNS),
    "method<LoraMethod>.name": change(weights, "method={name: lora}", before=(FULL,)),
    "method<LoraMethod>.r": change(weights, "method.r=5"),
    "method<LoraMethod>.lora_alpha": change(weights, "method.lora_alpha=80"),
    "method<LoraMethod>.lora_dropout": change(weights, "method.lora_dropout=0.5"),
    "method<LoraMethod>.target_modules": change(weights, "method.target_modules=[q_proj]"),
    "train.learning_rate": change(weights, "train.learning_rate=0.001"),
    "train.num_train_epochs": change(weights, "train.num_train_epochs=2"),
    "train.max_steps": change(weights, "train.max_steps=2"),
    "train.per_device_train_batch_size": change(weights, "train.per_device_train_batch_size=3"),
    "train.per_device_eval_batch_size": change(batches, "train.per_device_eval_batch_size=2"),
    "train.gradient_accumulation_steps": change(weights, "train.gradient_accumulation_steps=2"),
    "train.packing": change(batches, "train.packing=false"),
    "train.memory_budget_gb": change(batches, "train.memory_budget_gb=0.001"),
    "train.lr_scheduler_type": change(weights, "train.lr_scheduler_type=constant"),
    "train.warmup_ratio": change(weights, "train.warmup_ratio=0.5"),
    "train.warmup_steps": change(weights, "train.warmup_steps=4"),
    "train.weight_decay": change(weights, "train.weight_decay=0.5"),
    "train.optim": change(weights, "train.optim=adafactor"),
    "train.adam_beta1": change(weights, "train.adam_beta1=0.5"),
    "train.adam_beta2": change(weights, "train.adam_beta2=0.9"),
    "train.adam_epsilon": change(weights, "train.adam_epsilon=0.01"),
    "train.max_grad_norm": change(weights, "train.max_grad_norm=1e-4"),
    "train.gradient_checkpointing": change(checkpointing, "train.gradient_checkpointing=true"),
    "train.eval_strategy": change(partial(told, "evaluation"), "train.eval_strategy=no"),
    "train.eval_steps": change(partial(told, "evaluation"), "train.eval_steps=2", before=EVERY_STEP),
    "train.save_strategy": change(partial(told, "checkpoint"), *SAVED),
    "train.save_steps": change(partial(told, "checkpoint"), "train.save_steps=3", before=SAVED),
    "train.save_total_limit": change(checkpoints_left, "train.save_total_limit=4", before=SAVED),
    "train.load_best_model_at_end": change(result_step, "train.load_best_model_at_end=false", before=UNSTABLE),
    "train.early_stopping_patience": change(result_step, "train.early_stopping_patience=1", before=UNSTABLE),
    "train.early_stopping_threshold": change(result_step, "train.early_stopping_threshold=50", before=PATIENT),
    "train.logging_steps": change(partial(told, "train_step"), "train.logging_steps=2"),
    "train.report_to": change(tensorboard, "train.report_to=[tensorboard]"),
    "train.disk_full_wait_minutes": change(minutes_waited, "train.disk_full_wait_minutes=2"),
    "evaluate.metrics": change(partial(report, "metrics"), "evaluate.metrics=[perplexity]"),
    "evaluate.num_generations": change(partial(report, "generations"), "evaluate.num_generations=1"),
    "evaluate.max_new_tokens": change(partial(report, "generations"), "evaluate.max_new_tokens=2"),
    "evaluate.bert_score_encoder": change(
        partial(report, "metrics"), "evaluate.bert_score_encoder=other_encoder",
        before=("evaluate.metrics=[perplexity, bert_score]", "evaluate.bert_score_encoder=encoder"),
    ),
    "evaluate.bootstrap_samples": change(partial(report, "metrics"), "evaluate.bootstrap_samples=50"),
    "evaluate.confidence": change(partial(report, "metrics"), "evaluate.confidence=0.5"),
    "gates[].metric": change(partial(report, "gates"), "gates.0.metric=perplexity", before=(GATE,)),
    "gates[].relative_to": change(partial(report, "gates"), GATES[1], before=(GATE,)),
    "gates[].better_by": change(partial(report, "gates"), "gates.0.better_by=0.99", before=GATES[:1]),
    "gates[].without_champion": change(
        partial(report, "gates"), "gates.0.without_champion=pass", before=(CHAMPION, REGISTER),
    ),
    "gates[].min": change(partial(report, "gates"), "gates.0.min=50", before=(GATE,)),
    "gates[].max": change(partial(report, "gates"), "gates.0.max=0.01", before=(GATE,)),
    "register.name": change(registered, "register.name=two", before=(REGISTER,)),
    "register.alias": change(registered, "register.alias=b", before=(REGISTER,)),
    "register.champion_alias": change(
        partial(report, "gates"), "register.champion_alias=best", before=(CHAMPION, REGISTER),
    ),
    "register.tracking_uri": change(registered, "register.tracking_uri='sqlite:///two.db'", before=(REGISTER,)),
}  # fmt: skip

OBSERVERS = {"rows": rows, "weights": weights, "gates": partial(report, "gates"), "cosines": cosines}
CHANGES |= {
    key: change(OBSERVERS[how], *after, before=before)
    for key, (how, after, before) in MULTITASK_CHANGES.items()
}
CHANGES |= {key: change(weights, *after, before=before) for key, (after, before) in METHOD_CHANGES.items()}

CHANGES |= {
    key: change(partial(fair, report), *after, before=before)
    for key, (after, before) in FAIRNESS_CHANGES.items()
}
CHANGES |= {
    key: change(partial(fair_weights, weights), *after, before=before)
    for key, (after, before) in PENALTY_CHANGES.items()
}
CHANGES |= {
    key: change(attacked, *after, before=before) for key, (after, before) in ROBUSTNESS_CHANGES.items()
}

EXAMINED = {"examined": partial(examined, report), "judged": partial(judged, report)}
CHANGES |= {
    key: change(EXAMINED[how], *after, before=before)
    for key, (how, after, before) in LEAKS_AND_SAFETY_CHANGES.items()
}

CHANGES |= {
    key: change(partial(fitted, report), *after, before=before)
    for key, (after, before) in FITTING_CHANGES.items()
}

CHANGES |= {
    key: change(partial(benchmarked, report), *after, before=BENCHMARKS)
    for key, after in BENCHMARK_CHANGES.items()
}

CHANGES |= {
    key: change(partial(sampled, report), *after, before=before)
    for key, (after, before) in PASS_AT_K_CHANGES.items()
}

LEAVES_THE_FINGERPRINT = {"train.logging_steps", "train.memory_budget_gb"}
"""Keys that change the telling, or the memory, alone: a run with another value finds the same model."""


def test_every_key_has_an_entry_and_every_entry_a_key() -> None:
    assert set(leaf_keys(Recipe)) == {*CHANGES, *DATA_CHANGES, "data.processes"}


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe and every file that a change names."""
    folder = tmp_path_factory.mktemp("job")
    path = write_recipe(
        folder,
        train={"learning_rate": 0.01, "per_device_train_batch_size": 4, "report_to": []},
        data={"train": [{"path": "rows.json"}], "eval": {"split": 0.25}, "max_length": 128},
        evaluate={"num_generations": 2, "max_new_tokens": 8, "bootstrap_samples": 100},
    )
    make_chat_llama(seed=1, initializer_range=0.05).save_pretrained(folder / "other_base")
    make_chat_tokenizer().save_pretrained(folder / "other_base")
    for seed, name in enumerate(("encoder", "other_encoder")):
        (folder / name).mkdir()
        save_tiny_encoder(folder / name, seed=seed)
    (folder / "words.txt").write_text("red scarlet\ngreen lime\nblue azure\nblack dark\n", encoding="utf-8")
    (folder / "other_words.txt").write_text("red crimson\ngreen emerald\n", encoding="utf-8")
    (folder / "other.jinja").write_text(
        TEMPLATE.replace("m.role + '\n'", "m.role + ':\n'").replace("assistant\n'", "assistant:\n'")
    )
    made = [
        {
            "instruction": f"What is {colour} {number}?",
            "output": f"{colour} it is",
            "prompt": f"Which {colour} {number}?",
            "completion": f"{colour} {number}",
            "colour": colour,
        }
        for number in range(4)
        for colour in COLOURS
    ]
    raw = [{**row, "text": f"The quick brown fox number {n}."} for n, row in enumerate(made)]
    labelled = [
        {"text": row["prompt"], "label": "warm" if row["colour"] == "red" else "cold"} for row in made
    ]
    tags = {
        0: ["O", "O", "B-colour"],
        1: ["O", "I-colour", "O"],
        2: ["O", "B-thing", "I-thing"],
        3: ["O", "O", "O"],
    }
    tagged = [
        {"tokens": f"See {row['colour']} {n} things".split()[:3], "tags": tags[n % 4]}
        for n, row in enumerate(made)
    ]
    asked = []
    for number, row in enumerate(made):
        context = f"The quick fox is {row['colour']} at noon number {number}. " * 4
        answers = (
            [{"text": row["colour"], "answer_start": context.index(row["colour"])}] if number % 5 else []
        )
        asked.append({"question": row["prompt"], "context": context, "answers": answers})
    turns = [
        {"messages": [{"role": ("user", "assistant")[n % 2], "content": row["output"]} for n in range(4)]}
        for row in made[: len(COLOURS)]
    ]
    told = {"messages": [{"role": "narrator", "content": "It is noon."}, *turns[0]["messages"]]}
    more = [
        {"messages": [{"role": "user", "content": f"Tell {n}"}, *turns[n]["messages"][1:]]} for n in range(3)
    ]
    more.append({"messages": [told["messages"][0], *more[0]["messages"]]})
    files = {
        "talk_too": more,
        "talk": [*turns, told],
        "turns": turns,
        "tagged": tagged,
        "asked": asked,
        "labelled": labelled,
        "both": [*made, made[0]],
        "raw": raw,
        "held": made[:5],
        "held_too": made[3:9],
    }
    for name, content in files.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in content))
    return path


@pytest.fixture(scope="module")
def before(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Change], Seen]:
    """Return what is seen before a change; equal questions are answered once."""
    known: dict[str, Seen] = {}

    def see(asked: Change) -> Seen:
        key = f"{asked.observe} {asked.before}"
        if isinstance(asked.observe, partial):
            key = f"{asked.observe.func} {asked.observe.args} {asked.before}"
        if key not in known:
            with Patch.context() as patch:
                patch.chdir(recipe.parent)
                made = Run(recipe, tmp_path_factory.mktemp("before"))
                known[key] = asked.observe(made, patch, *asked.before)
        return known[key]

    return see


@pytest.mark.parametrize("key", CHANGES)
def test_a_key_takes_effect(
    key: str, recipe: Path, before: Callable[[Change], Seen], tmp_path: Path, monkeypatch: Patch
) -> None:
    asked = CHANGES[key]
    old = before(asked)
    monkeypatch.chdir(recipe.parent)
    new = asked.observe(Run(recipe, tmp_path), monkeypatch, *asked.before, *asked.after)
    if not isinstance(new, dict):
        assert new != old
        return
    assert not old.get("failed") and not new.get("failed"), (old["value"], new["value"])
    assert new["value"] != old["value"], "nothing that is done depends on this key"
    assert (new["fingerprint"] == old["fingerprint"]) == (key in LEAVES_THE_FINGERPRINT)


@pytest.mark.parametrize(
    "metric", [m for m in SftObjective.metrics if m not in ("perplexity", "rouge", "exact_match")]
)
def test_a_metric_is_measured_when_it_is_asked_for(
    metric: str, recipe: Path, tmp_path: Path, monkeypatch: Patch
) -> None:
    """Those that a recipe has by default are seen in `CHANGES`."""
    monkeypatch.chdir(recipe.parent)
    job = Run(recipe, tmp_path).job(f"evaluate.metrics=[perplexity, {metric}]")
    assert job.report is not None
    names = [told["metric"] for told in job.report.metrics]
    assert names == ["eval_loss", "perplexity", metric]
    asked = Run(recipe, tmp_path).job("evaluate.metrics=[perplexity]")
    assert asked.report is not None and metric not in [told["metric"] for told in asked.report.metrics]
    assert asked.report.fingerprint != job.report.fingerprint


def test_the_same_recipe_does_the_same(
    recipe: Path, before: Callable[[Change], Seen], tmp_path: Path, monkeypatch: Patch
) -> None:
    """Without this, noise would pass for an effect."""
    monkeypatch.chdir(recipe.parent)
    for number, observe in enumerate((rows, weights, result_step, partial(report, "metrics"))):
        asked = change(observe)
        assert observe(Run(recipe, tmp_path / str(number)), monkeypatch) == before(asked)
