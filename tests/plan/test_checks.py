"""Every rule of the compatibility table fires where it should, and only there."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from luthier.core.errors import Fault
from luthier.plan.checks import check_against_base, check_recipe
from luthier.plan.evaluation import measured_metrics
from luthier.recipe.evaluate_sections.evaluate import EvaluateSection
from luthier.recipe.schema import sections_in
from tests.plan.bases import made_base, read_recipe

HELD_OUT = {"train": [{"path": "rows.jsonl"}], "eval": {"split": 0.2}}
NOT_HELD_OUT = {"train": [{"path": "rows.jsonl"}], "eval": {}}
PRETRAINING = {"name": "pretraining"}


def data(**changes: Any) -> dict[str, Any]:
    return {**HELD_OUT, **changes}


def faults(folder: Path, **sections: Any) -> list[Fault]:
    loaded = read_recipe(folder, **sections)
    return list(check_recipe(loaded.recipe, loaded.origins.keys(), folder))


def test_the_defaults_have_no_fault(tmp_path: Path) -> None:
    assert faults(tmp_path) == []
    assert faults(tmp_path, data=NOT_HELD_OUT) == []
    assert faults(tmp_path, objective=PRETRAINING) == []


def gate(**values: Any) -> list[dict[str, Any]]:
    return [{"metric": "eval_loss", **values}]


# path of the fault, words of it, the recipe that has it, the nearest recipe that does not
TYPING: dict[str, Any] = {"operations": [{"kind": "typing", "share": 0.1}]}
WITH_TOPIC = [{"path": "rows.jsonl", "attributes": ["topic"]}]
DOMAIN = {"field": "topic", "values": ["war"]}

RULES: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
    (
        "data.train[0].path",
        "no file at",
        {"data": data(train=[{"path": "absent.jsonl"}])},
        {"data": HELD_OUT},
    ),
    (
        "data.train[0].path",
        "of no known kind",
        {"data": data(train=[{"path": "recipe.yaml"}])},
        {"data": HELD_OUT},
    ),
    (
        "data.eval.sources[0].path",
        "no file at",
        {"data": data(eval={"sources": [{"path": "absent.jsonl"}]})},
        {"data": data(eval={"sources": [{"path": "held_out.jsonl"}]})},
    ),
    (
        "data.eval",
        "both split and sources",
        {"data": data(eval={"split": 0.1, "sources": [{"path": "held_out.jsonl"}]})},
        {"data": data(eval={"sources": [{"path": "held_out.jsonl"}]})},
    ),
    (
        "data.eval",
        "both out_of_domain and sources",
        {
            "data": data(
                train=WITH_TOPIC, eval={"out_of_domain": DOMAIN, "sources": [{"path": "held_out.jsonl"}]}
            )
        },
        {"data": data(train=WITH_TOPIC, eval={"out_of_domain": DOMAIN, "split": 0.1})},
    ),
    (
        "data.eval.group_by",
        "no rows are held out",
        {"data": data(eval={"group_by": "user"})},
        {"data": data(eval={"sources": [{"path": "held_out.jsonl"}], "group_by": "user"})},
    ),
    (
        "data.eval.near_duplicates",
        "no rows are held out",
        {"data": data(eval={"near_duplicates": "together"})},
        {"data": data(eval={"sources": [{"path": "held_out.jsonl"}], "near_duplicates": "together"})},
    ),
    (
        "data.eval.near_duplicates",
        "beside deduplicate: near",
        {
            "data": data(
                eval={"sources": [{"path": "held_out.jsonl"}], "near_duplicates": "together"},
                clean={"deduplicate": "near"},
            )
        },
        {"data": data(eval={"split": 0.1, "near_duplicates": "together"}, clean={"deduplicate": "near"})},
    ),
    (
        "data.augment.label_field",
        "no attribute of a source",
        {"data": data(augment=TYPING | {"label_field": "topic", "per_class": True})},
        {"data": data(augment=TYPING | {"label_field": "topic", "per_class": True}, train=WITH_TOPIC)},
    ),
    (
        "data.label_errors.label_field",
        "no attribute of a source",
        {"data": data(label_errors={"action": "report", "label_field": "topic"})},
        {"data": data(label_errors={"action": "report", "label_field": "topic"}, train=WITH_TOPIC)},
    ),
    (
        "data.chat_template",
        "raw text",
        {"data": data(chat_template="chatml"), "objective": PRETRAINING},
        {"data": data(chat_template="chatml")},
    ),
    (
        "data.too_long",
        "raw text",
        {"data": data(too_long="truncate"), "objective": PRETRAINING},
        {"data": data(too_long="truncate")},
    ),
    (
        "data.train[0].schema",
        "reads conversations",
        {"data": data(train=[{"path": "rows.jsonl", "schema": "text"}])},
        {"data": data(train=[{"path": "rows.jsonl", "schema": "text"}]), "objective": PRETRAINING},
    ),
    (
        "data.train[0].schema",
        "reads raw text",
        {"data": data(train=[{"path": "rows.jsonl", "schema": "alpaca"}]), "objective": PRETRAINING},
        {"data": data(train=[{"path": "rows.jsonl", "schema": "alpaca"}])},
    ),
    (
        "train.eval_steps",
        "is required",
        {"train": {"eval_strategy": "steps"}},
        {"train": {"eval_strategy": "steps", "eval_steps": 2}},
    ),
    ("train.eval_steps", "no effect", {"train": {"eval_steps": 2}}, {"train": {"eval_strategy": "epoch"}}),
    (
        "train.save_steps",
        "is required",
        {"train": {"save_strategy": "steps"}},
        {"train": {"save_strategy": "steps", "save_steps": 2}},
    ),
    ("train.save_steps", "no effect", {"train": {"save_steps": 2}}, {"train": {"save_strategy": "epoch"}}),
    (
        "train.num_train_epochs",
        "beside max_steps",
        {"train": {"max_steps": 3, "num_train_epochs": 1.0}},
        {"train": {"max_steps": 3}},
    ),
    (
        "train.warmup_ratio",
        "beside warmup_steps",
        {"train": {"warmup_steps": 0, "warmup_ratio": 0.1}},
        {"train": {"warmup_ratio": 0.1}},
    ),
    (
        "train.early_stopping_threshold",
        "without early_stopping_patience",
        {"train": {"early_stopping_threshold": 0.1}},
        {"train": {"early_stopping_threshold": 0.1, "early_stopping_patience": 1}},
    ),
    (
        "train.early_stopping_patience",
        "eval_strategy is no",
        {"train": {"early_stopping_patience": 1, "eval_strategy": "no"}},
        {"train": {"early_stopping_patience": 1}},
    ),
    (
        "train.early_stopping_patience",
        "no held-out rows",
        {"train": {"early_stopping_patience": 1}, "data": NOT_HELD_OUT},
        {"train": {"early_stopping_patience": 1}, "data": HELD_OUT},
    ),
    (
        "train.load_best_model_at_end",
        "eval_strategy is no",
        {"train": {"load_best_model_at_end": True, "eval_strategy": "no"}},
        {"train": {"load_best_model_at_end": False, "eval_strategy": "no"}},
    ),
    (
        "train.eval_strategy",
        "no held-out rows",
        {"train": {"eval_strategy": "epoch"}, "data": NOT_HELD_OUT},
        {"train": {"eval_strategy": "no"}, "data": NOT_HELD_OUT},
    ),
    (
        "train.per_device_eval_batch_size",
        "no held-out rows",
        {"train": {"per_device_eval_batch_size": 2}, "data": NOT_HELD_OUT},
        {"train": {"per_device_eval_batch_size": 2}},
    ),
    (
        "evaluate.confidence",
        "no held-out rows",
        {"evaluate": {"confidence": 0.9}, "data": NOT_HELD_OUT},
        {"evaluate": {"confidence": 0.9}},
    ),
    (
        "evaluate.metrics",
        "cannot be measured",
        {"evaluate": {"metrics": ["rouge"]}, "objective": PRETRAINING},
        {"evaluate": {"metrics": ["perplexity"]}, "objective": PRETRAINING},
    ),
    (
        "evaluate.num_generations",
        "no prompts",
        {"evaluate": {"num_generations": 4}, "objective": PRETRAINING},
        {"evaluate": {"num_generations": 4}},
    ),
    (
        "evaluate.metrics",
        "chrf, cer cannot be measured",
        {"evaluate": {"metrics": ["perplexity", "chrf", "cer"]}, "objective": PRETRAINING},
        {"evaluate": {"metrics": ["perplexity", "byte_perplexity"]}, "objective": PRETRAINING},
    ),
    (
        "evaluate.metrics",
        "bleu, distinct_2, length_ratio cannot be measured with num_generations: 0",
        {
            "evaluate": {
                "metrics": ["byte_perplexity", "bleu", "distinct_2", "length_ratio"],
                "num_generations": 0,
            }
        },
        {
            "evaluate": {
                "metrics": ["byte_perplexity", "bleu", "distinct_2", "length_ratio"],
                "num_generations": 2,
            }
        },
    ),
    (
        "evaluate.metrics",
        "with another vocabulary",
        {"evaluate": {"metrics": ["byte_perplexity"]}, "vocabulary": {"add_tokens": ["black"]}},
        {"evaluate": {"metrics": ["perplexity"]}, "vocabulary": {"add_tokens": ["black"]}},
    ),
    (
        "gates[0].metric",
        "chrf is not measured",
        {"evaluate": {"metrics": ["bleu"]}, "gates": [{"metric": "chrf", "min": 20.0}]},
        {"evaluate": {"metrics": ["bleu", "chrf"]}, "gates": [{"metric": "chrf", "min": 20.0}]},
    ),
    (
        "evaluate.max_new_tokens",
        "no prompts",
        {"evaluate": {"max_new_tokens": 4}, "objective": PRETRAINING},
        {"evaluate": {"max_new_tokens": 4}},
    ),
    (
        "evaluate.metrics",
        "num_generations: 0",
        {"evaluate": {"metrics": ["perplexity", "rouge"], "num_generations": 0}},
        {"evaluate": {"metrics": ["perplexity"], "num_generations": 0}},
    ),
    (
        "evaluate.max_new_tokens",
        "num_generations: 0",
        {"evaluate": {"max_new_tokens": 4, "num_generations": 0}},
        {"evaluate": {"num_generations": 0}},
    ),
    (
        "gates[0].better_by",
        "without relative_to",
        {"gates": gate(better_by=0.1, max=2.0)},
        {"gates": gate(better_by=0.1, relative_to="base")},
    ),
    (
        "gates[0].relative_to",
        "without better_by",
        {"gates": gate(relative_to="base", max=2.0)},
        {"gates": gate(relative_to="base", better_by=0.0)},
    ),
    ("gates[0]", "demands nothing", {"gates": gate()}, {"gates": gate(min=0.0)}),
    ("gates[0]", "can never pass", {"gates": gate(min=2.0, max=1.0)}, {"gates": gate(min=1.0, max=1.0)}),
    (
        "gates[0].metric",
        "needs held-out rows",
        {"gates": gate(max=1.0), "data": NOT_HELD_OUT},
        {"gates": gate(max=1.0)},
    ),
    (
        "gates[0].metric",
        "not measured",
        {"gates": gate(max=1.0), "evaluate": {"metrics": ["rouge"]}},
        {"gates": [{"metric": "rouge_l", "min": 0.1}], "evaluate": {"metrics": ["rouge"]}},
    ),
    (
        "gates[0].metric",
        "not measured",
        {"gates": [{"metric": "rouge", "min": 0.1}]},
        {"gates": [{"metric": "rouge_l", "min": 0.1}]},
    ),
    (
        "gates[0].metric",
        "not measured",
        {"gates": [{"metric": "robustness.clean_acuracy", "max": 1.0}], "evaluate": {"robustness": {}}},
        {"gates": [{"metric": "robustness.clean_accuracy", "max": 1.0}], "evaluate": {"robustness": {}}},
    ),
    (
        "gates[0].metric",
        "not measured",
        {"gates": [{"metric": "robustness.clean_accuracy", "max": 1.0}]},
        {"gates": [{"metric": "robustness.clean_accuracy", "max": 1.0}], "evaluate": {"robustness": {}}},
    ),
    (
        "evaluate.robustness",
        "no held-out rows",
        {"evaluate": {"robustness": {}}, "data": NOT_HELD_OUT},
        {"evaluate": {"robustness": {}}},
    ),
    (
        "gates[0].without_champion",
        "not relative to the champion",
        {"gates": gate(max=1.0, without_champion="pass")},
        {
            "gates": gate(relative_to="champion", better_by=0.0, without_champion="pass"),
            "register": {"name": "m"},
        },
    ),
    (
        "gates[0].relative_to",
        "no registered model",
        {"gates": gate(relative_to="champion", better_by=0.0)},
        {"gates": gate(relative_to="champion", better_by=0.0), "register": {"name": "m"}},
    ),
    (
        "register.champion_alias",
        "no gate",
        {"register": {"name": "m", "champion_alias": "best"}},
        {
            "register": {"name": "m", "champion_alias": "best"},
            "gates": gate(relative_to="champion", better_by=0.0),
        },
    ),
]


@pytest.mark.parametrize(("path", "words", "wrong", "right"), RULES, ids=[f"{r[0]} {r[1]}" for r in RULES])
def test_a_rule_fires_and_does_not_fire_beside_it(
    path: str, words: str, wrong: dict[str, Any], right: dict[str, Any], tmp_path: Path
) -> None:
    found = faults(tmp_path, **wrong)
    assert [fault.path for fault in found] == [path], found
    assert words in found[0].problem
    assert faults(tmp_path, **right) == []


def test_every_key_of_evaluate_is_refused_without_held_out_rows(tmp_path: Path) -> None:
    values = {
        "metrics": ["perplexity"],
        "num_generations": 1,
        "max_new_tokens": 1,
        "bert_score_encoder": "minilm",
        "bootstrap_samples": 10,
        "confidence": 0.9,
    }
    found = faults(tmp_path, evaluate=values, data=NOT_HELD_OUT)
    fields = EvaluateSection.model_fields.items()
    own = {f"evaluate.{key}" for key, field in fields if not sections_in(field.annotation)}
    assert {fault.path for fault in found} == own
    assert {f"evaluate.{key}" for key in values} == {fault.path for fault in found}


def test_registering_needs_mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert faults(tmp_path, register={"name": "a"}) == []
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    (fault,) = faults(tmp_path, register={"name": "a"})
    assert fault.path == "register" and fault.cure == "pip install 'luthier[registry]'"
    assert faults(tmp_path) == []


def test_a_missing_file_is_answered_with_its_neighbours_or_its_real_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (fault,) = faults(tmp_path, data=data(train=[{"path": "rows.json"}]))
    assert fault.cure == "files in that folder: held_out.jsonl, rows.jsonl"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "there.jsonl").write_text("{}\n")
    monkeypatch.chdir(elsewhere)
    (fault,) = faults(tmp_path, data=data(train=[{"path": "there.jsonl"}]))
    assert fault.cure and "elsewhere/there.jsonl" in fault.cure


@pytest.mark.parametrize("name", ["rows.jsonl.gz", "rows.v2.csv", "rows.parquet", "rows.txt"])
def test_known_kinds_of_files_pass(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("x")
    assert faults(tmp_path, data=data(train=[{"path": name}])) == []


@pytest.mark.parametrize("name", ["rows", "rows.jsonl.zip", "folder.jsonl"])
def test_unknown_kinds_and_folders_do_not(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir() if name.startswith("folder") else (tmp_path / name).write_text("x")
    assert [f.path for f in faults(tmp_path, data=data(train=[{"path": name}]))] == ["data.train[0].path"]


def test_what_is_measured(tmp_path: Path) -> None:
    def measured(**sections: Any) -> set[str]:
        return measured_metrics(read_recipe(tmp_path, **sections).recipe)

    loss = {"eval_loss", "perplexity"}
    assert measured() == loss | {"rouge_l", "exact_match"}
    assert measured(data=NOT_HELD_OUT) == set()
    assert measured(evaluate={"num_generations": 0}) == loss
    assert measured(objective=PRETRAINING) == loss
    assert measured(evaluate={"metrics": ["exact_match"]}) == {"exact_match"}
    everything = [
        "byte_perplexity",
        "rouge_1",
        "rouge_2",
        "bleu",
        "chrf",
        "cer",
        "distinct_2",
        "length_ratio",
    ]
    assert measured(evaluate={"metrics": everything}) == set(everything)


def test_rules_that_depend_on_the_base(tmp_path: Path) -> None:
    recipe = read_recipe(tmp_path, data=data(max_length=2048)).recipe
    assert list(check_against_base(recipe, made_base(max_positions=2048))) == []
    (long,) = check_against_base(recipe, made_base(max_positions=2047))
    assert long.path == "data.max_length" and "2047 positions" in long.problem
    (kind,) = check_against_base(recipe, made_base("BertForMaskedLM"))
    assert kind.path == "model.base" and "BertForMaskedLM" in kind.problem
    assert list(check_against_base(recipe, made_base("GPT2LMHeadModel"))) == []


def test_the_label_of_a_source_is_called_label(tmp_path: Path) -> None:
    train = [{"path": "rows.jsonl", "columns": {"label": "category"}}]
    (fault,) = faults(
        tmp_path, data=data(train=train, label_errors={"action": "drop", "label_field": "category"})
    )
    assert (fault.path, fault.cure) == (
        "data.label_errors.label_field",
        "label: the column category is read as that",
    )
