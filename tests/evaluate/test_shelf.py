"""Models of a report are loaded once, come back as they were, and no examination may change them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import nn

import luthier.pipeline.evaluation as evaluation
import luthier.pipeline.job as job_module
from luthier.core.files import read_json
from luthier.evaluate.shelf import Shelf
from luthier.models.load import load_model, load_trained
from luthier.models.shared_weights import leaves_base_alone, over_same_weights
from tests.tiny_job import luthier, save_tiny_base, write_recipe


class Loading:
    """Makes a small model, and counts."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> nn.Module:
        self.count += 1
        return nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5), nn.BatchNorm1d(3)).eval()


def test_a_model_is_loaded_once_and_comes_back_as_it_was() -> None:
    shelf, loading = Shelf(), Loading()
    load = shelf.keep(loading)
    model = load()
    model.train()
    model(torch.ones(2, 3)).sum().backward()
    again = load()
    assert again is model and loading.count == 1
    assert not any(part.training for part in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("name", ["0.weight", "2.running_mean"])
def test_who_changed_weights_is_told(name: str) -> None:
    shelf = Shelf()
    model = shelf.keep(Loading())()
    shelf.check("nobody")
    model.state_dict()[name].view(-1)[1].add_(1e-3)
    with pytest.raises(AssertionError, match=f"the vandal changed 1 weights of a model, e.g. {name}"):
        shelf.check("the vandal")


def test_what_follows_from_the_last_input_is_no_weight() -> None:
    shelf, model = Shelf(), nn.Linear(2, 2)
    model.register_buffer("frequencies", torch.ones(2), persistent=False)
    model.register_buffer("kept", torch.ones(2))
    shelf.keep(lambda: model)()
    model.get_buffer("frequencies").add_(1.0)
    shelf.check("long rows")
    model.get_buffer("kept").add_(1.0)
    with pytest.raises(AssertionError, match="e.g. kept"):
        shelf.check("the vandal")


def test_another_model_takes_the_place_unless_both_share_weights() -> None:
    shelf = Shelf()
    first, second = Loading(), Loading()
    load_first, load_second = shelf.keep(first), shelf.keep(second)
    for load in (load_first, load_second, load_first):
        load()
    assert (first.count, second.count) == (2, 1)
    pair = Loading()
    load_third = shelf.keep(pair, beside=load_first)
    for load in (load_third, load_first, load_third):
        load()
    assert (first.count, pair.count) == (2, 1)


def test_an_adapter_over_the_bases_own_weights_answers_alike_and_leaves_the_base_alone(
    tmp_path: Path,
) -> None:
    folder = save_tiny_base(tmp_path / "base")
    tuned = get_peft_model(
        load_model(folder, dtype=torch.float32),
        LoraConfig(init_lora_weights=False, target_modules="all-linear"),
    )
    tuned.save_pretrained(tmp_path / "adapter")
    assert leaves_base_alone(tmp_path / "adapter")
    ids = torch.arange(8)[None]
    base = load_model(folder, dtype=torch.float32)
    before = base(ids).logits
    shared, _ = load_trained(tmp_path / "adapter", dtype=torch.float32, base=over_same_weights(base))
    alone, _ = load_trained(tmp_path / "adapter", dtype=torch.float32)
    assert torch.equal(base(ids).logits, before)
    assert torch.equal(shared(ids).logits, alone(ids).logits) and not torch.equal(shared(ids).logits, before)
    places = {tensor.data_ptr() for tensor in base.parameters()}
    assert places <= {tensor.data_ptr() for tensor in shared.parameters()}


def test_an_adapter_that_starts_from_the_bases_weights_gets_a_base_of_its_own(tmp_path: Path) -> None:
    folder = save_tiny_base(tmp_path / "base")
    base = load_model(folder, dtype=torch.float32)
    tuned = get_peft_model(base, LoraConfig(init_lora_weights="pissa", target_modules="all-linear"))
    tuned.save_pretrained(tmp_path / "adapter")
    assert not leaves_base_alone(tmp_path / "adapter")


@pytest.mark.parametrize(
    "options", [{"trainable_token_indices": [3, 5]}, {"modules_to_save": ["lm_head"]}], ids=["rows", "whole"]
)
def test_an_adapter_with_rows_or_whole_weights_of_the_base_gets_a_base_of_its_own(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    base = load_model(save_tiny_base(tmp_path / "base"), dtype=torch.float32)
    get_peft_model(base, LoraConfig(target_modules=["q_proj"], **options)).save_pretrained(
        tmp_path / "adapter"
    )
    assert not leaves_base_alone(tmp_path / "adapter")


def test_an_adapter_with_a_saved_embedding_gets_a_base_of_its_own(tmp_path: Path) -> None:
    """PEFT would write the saved embedding into the base's own."""
    base = load_model(save_tiny_base(tmp_path / "base"), dtype=torch.float32)
    tuned = get_peft_model(base, LoraConfig(target_modules=["q_proj"]))
    tuned.save_pretrained(tmp_path / "adapter", save_embedding_layers=True)
    assert not leaves_base_alone(tmp_path / "adapter")


def test_a_run_whose_vocabulary_outgrows_the_base_can_be_examined(tmp_path: Path) -> None:
    evaluate = {
        "num_generations": 0,
        "bootstrap_samples": 50,
        "fitting": {"rows": 4},
        "generalization": {"ability": ["english"], "rows": 2},
        "memorization": {"num_rows": 8, "prefix_tokens": [2], "continuation_tokens": 4},
    }
    tokens = [f"<|mark{number}|>" for number in range(4)]
    recipe = write_recipe(
        tmp_path,
        vocabulary={"add_tokens": ["black", "white"], "add_special_tokens": tokens},
        evaluate=evaluate,
    )
    done = luthier("run", recipe, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (run,) = (tmp_path / "runs").iterdir()
    rows = load_model(tmp_path / "base", dtype=torch.float32).get_input_embeddings().weight.shape[0]
    assert read_json(run / "receipt.json")["vocabulary"]["embedding_rows"] > rows
    found = read_json(run / "report" / "report.json")["examinations"]
    assert {"fitting", "generalization", "memorization"} <= {str(each["name"]) for each in found}
    assert "the base is not examined" in done.stderr
    figures = [figure for each in found for figure in each["figures"]]
    assert any(figure["value"] is not None for figure in figures)
    assert all(figure["base"] is None for figure in figures)
    done = luthier("evaluate", run / "model", "--data", "rows.json", "--set", "evaluate.fitting={rows: 4}",
                   "--set", "data.train=[{path: rows.json}]", "-o", "out", cwd=tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "the base is not examined" in done.stderr


def test_a_report_with_three_examinations_loads_each_model_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[str] = []
    recipe = write_recipe(
        tmp_path, evaluate={"num_generations": 2, "max_new_tokens": 4, "bootstrap_samples": 50}
    )
    assert luthier("run", recipe, cwd=tmp_path).returncode == 0
    (run,) = (tmp_path / "runs").iterdir()
    for module, name in ((evaluation, "load_trained"), (job_module, "load_model")):
        own = getattr(module, name)

        def count(*arguments: object, _own=own, _name=name, **options: object) -> object:  # type: ignore[no-untyped-def]
            loaded.append(_name)
            return _own(*arguments, **options)

        monkeypatch.setattr(module, name, count)
    examinations = [
        "evaluate.fitting={rows: 4}",
        "evaluate.generalization={ability: [english], rows: 2}",
        "evaluate.memorization={num_rows: 8, prefix_tokens: [2], continuation_tokens: 4}",
    ]
    asked = [part for each in examinations for part in ("--set", each)]
    # By other rows: its own would have the merge proved, which lets go of all models meanwhile.
    done = luthier("evaluate", run, "--data", "rows.json", *asked, "-o", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert sorted(loaded) == ["load_model", "load_trained"]
    assert "memorization." in done.stdout and "generalization." in done.stdout and "fitting." in done.stdout
