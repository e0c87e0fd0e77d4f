"""Combined adapters: the sum is the sum, PEFT loads it, and what does not go together is refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from luthier.core.errors import ModelError
from luthier.core.files import read_json
from luthier.methods.combine import TYPES, combine_adapters
from luthier.models.chat_model import ChatModel
from luthier.models.load import ResultRecord, load_trained
from luthier.recipe.method_sections import Ia3Method, LoraMethod
from tests.models.tiny_adapters import save_adapter
from tests.models.tiny_chat import make_chat_llama, save_chat_folder

TOKENS = torch.tensor([[1, 70, 80, 90, 2, 40]])


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LUTHIER_HOME", str(tmp_path / "home"))
    return save_chat_folder(tmp_path / "base")


@pytest.fixture
def two(base: Path, tmp_path: Path) -> list[Path]:
    return [save_adapter(base, tmp_path / name, seed) for seed, name in enumerate("ab", start=1)]


def _weights(folder: Path) -> dict[str, torch.Tensor]:
    model, _ = load_trained(folder, dtype=torch.float32)
    return dict(model.merge_and_unload().state_dict())


def _sum(base: Path, folders: list[Path], weights: list[float]) -> dict[str, torch.Tensor]:
    """Return the base and the weighted differences that the adapters make, computed from their merged weights."""
    plain = load_trained(base, dtype=torch.float32)[0].state_dict()
    merged = [_weights(folder) for folder in folders]
    return {
        name: tensor + sum(w * (other[name] - tensor) for w, other in zip(weights, merged, strict=True))
        for name, tensor in plain.items()
    }


def _is_near(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> bool:
    return all(torch.allclose(found[name], tensor, atol=1e-5) for name, tensor in expected.items())


@pytest.mark.parametrize("section", [None, LoraMethod(r=4, use_rslora=True)], ids=["lora", "rslora"])
def test_cat_is_the_weighted_sum(base: Path, tmp_path: Path, section: Any) -> None:
    two = [
        save_adapter(base, tmp_path / name, seed, section=section) for seed, name in enumerate("ab", start=1)
    ]
    made = combine_adapters(two, [0.7, -0.3], "cat", tmp_path / "new")
    assert made.rank == 8 and made.num_layers == 14 and made.error < 1e-5
    assert _is_near(_weights(tmp_path / "new"), _sum(base, two, [0.7, -0.3]))


def test_cat_takes_different_ranks(base: Path, tmp_path: Path) -> None:
    two = [save_adapter(base, tmp_path / f"r{r}", r, section=LoraMethod(r=r)) for r in (2, 5)]
    assert combine_adapters(two, [0.5, 0.5], "cat", tmp_path / "new").rank == 7
    assert _is_near(_weights(tmp_path / "new"), _sum(base, two, [0.5, 0.5]))


def test_svd_of_full_rank_is_the_sum_and_of_less_is_near(base: Path, two: list[Path], tmp_path: Path) -> None:
    assert combine_adapters(two, [0.7, 0.3], "svd", tmp_path / "whole", rank=8).error < 1e-4
    assert _is_near(_weights(tmp_path / "whole"), _sum(base, two, [0.7, 0.3]))
    errors = [combine_adapters(two, [0.7, 0.3], "svd", tmp_path / f"r{r}", rank=r).error for r in (6, 3)]
    assert 1e-3 < errors[0] < errors[1] < 1


@pytest.mark.parametrize("kind", TYPES)
def test_every_type_makes_an_adapter_that_peft_loads(
    base: Path, two: list[Path], tmp_path: Path, kind: str
) -> None:
    is_pruned = any(name in kind for name in ("ties", "dare", "magnitude"))
    made = combine_adapters(two, [0.7, 0.3], kind, tmp_path / "new", density=0.5 if is_pruned else None)
    plain = AutoModelForCausalLM.from_pretrained(base)
    with torch.no_grad():
        before = plain(TOKENS).logits
        after = PeftModel.from_pretrained(plain, tmp_path / "new").eval()(TOKENS).logits
    assert torch.isfinite(after).all() and not torch.allclose(before, after, atol=1e-3)
    assert made.error < 3, (
        "dropping entries of both factors, and scaling up the rest, is far from their product"
    )
    told = read_json(tmp_path / "new" / "combination.json")
    assert told["kind"] == kind and [a["weight"] for a in told["adapters"]] == [0.7, 0.3]


def test_the_result_has_its_text_side_and_record(two: list[Path], tmp_path: Path) -> None:
    combine_adapters(two, [1.0, 1.0], "linear", tmp_path / "new")
    assert ResultRecord.load(tmp_path / "new") == ResultRecord.load(two[0])
    assert ChatModel.from_folder(tmp_path / "new").template is not None
    assert not (tmp_path / "new" / "combined").exists()


def test_dare_follows_the_seed(two: list[Path], tmp_path: Path) -> None:
    def weights(name: str, seed: int) -> torch.Tensor:
        combine_adapters(two, [0.5, 0.5], "dare_linear", tmp_path / name, density=0.5, seed=seed)
        return _weights(tmp_path / name)["model.layers.0.self_attn.q_proj.weight"]

    assert torch.equal(weights("one", 1), weights("again", 1))
    assert not torch.equal(weights("another", 1), weights("two", 2))


def test_what_does_not_go_together_is_refused(base: Path, two: list[Path], tmp_path: Path) -> None:
    other = save_chat_folder(tmp_path / "other", make_chat_llama(seed=5))
    made = {
        "foreign": save_adapter(other, tmp_path / "foreign", 3),
        "rank": save_adapter(base, tmp_path / "rank", 3, section=LoraMethod(r=2)),
        "targets": save_adapter(base, tmp_path / "t", 3, section=LoraMethod(r=4, target_modules=["q_proj"])),
        "dora": save_adapter(base, tmp_path / "dora", 3, section=LoraMethod(r=4, use_dora=True)),
        "ia3": save_adapter(base, tmp_path / "ia3", 3, section=Ia3Method(name="ia3")),
        "text": save_adapter(base, tmp_path / "text", 3, template_hash="other"),
    }
    target = tmp_path / "new"
    cases: list[tuple[list[Path], dict[str, Any], str]] = [
        ([two[0], made["foreign"]], {}, "the base of adapter"),
        ([two[0], made["rank"]], {"kind": "linear"}, "needs adapters of one rank"),
        ([two[0], made["targets"]], {}, "adapts other layers"),
        ([two[0], made["dora"]], {}, "is DoRA"),
        ([two[0], made["ia3"]], {}, "IA3"),
        ([two[0], made["text"]], {}, "different tokenizers or chat templates"),
        ([two[0]], {"weights": [1.0]}, "at least two"),
        ([two[0], two[0]], {}, "at least two different"),
        (two, {"weights": [1.0]}, "2 adapters, but 1 weights"),
        (two, {"kind": "sum"}, "no combination 'sum'"),
        (two, {"rank": 3}, "a rank has no effect with cat"),
        (two, {"density": 0.5}, "a density has no effect with cat"),
        (two, {"kind": "ties"}, "ties needs a density"),
        (two, {"target": two[0]}, "exists already"),
    ]
    for folders, changes, text in cases:
        asked: dict[str, Any] = {"weights": [0.5, 0.5], "kind": "cat", "target": target, **changes}
        weights, kind, where = asked.pop("weights"), asked.pop("kind"), asked.pop("target")
        with pytest.raises(ModelError) as caught:
            combine_adapters(folders, weights, kind, where, **asked)
        assert text in str(caught.value), (text, str(caught.value))
        assert not target.exists()
