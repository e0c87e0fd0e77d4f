"""Heads of tasks: new ones are seeded and only they may be new; what is saved loads everywhere with its labels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from luthier.core.errors import ModelError
from luthier.methods.build import build_method
from luthier.methods.contract import trained_parameters
from luthier.models.heads import TaskHead, head_of, saved_head, with_head
from luthier.models.load import ResultRecord, load_model, load_trained, weights_hash
from luthier.plan.base_facts import read_base_facts
from luthier.plan.trainable import count_trainable
from luthier.recipe.method_sections import FreezeMethod, FullMethod, LoraMethod
from luthier.train.stage import save_head_config
from tests.models.tiny_chat import make_chat_llama
from tests.models.tiny_encoder import save_tiny_encoder

COLOURS = TaskHead("SEQ_CLS", ("blue", "green", "red"), "single_label_classification")
TAGS = TaskHead("TOKEN_CLS", ("B-PER", "I-PER", "O"))
SPANS = TaskHead("QUESTION_ANS")
HEADS = {"classes": COLOURS, "tags": TAGS, "spans": SPANS}
METHODS: dict[str, Any] = {
    "full": FullMethod(name="full"),
    "freeze": FreezeMethod(name="freeze", trainable_layers=1),
    "lora": LoraMethod(r=2),
}
INPUTS = {
    "input_ids": torch.tensor([[5, 6, 7, 8], [9, 10, 0, 0]]),
    "attention_mask": torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]]),
}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUTHIER_HOME", str(tmp_path / "home"))


@pytest.fixture(params=["bert", "roberta", "llama"])
def base(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    folder = tmp_path / "base"
    if request.param == "llama":
        make_chat_llama(pad_token_id=0).save_pretrained(folder)
        return folder
    return save_tiny_encoder(folder, family=request.param)


def _load(folder: Path, head: TaskHead = COLOURS, seed: int | None = 1) -> Any:
    return load_model(folder, dtype=torch.float32, head=head, new_head_seed=seed)


@torch.no_grad()
def _outputs(model: Any) -> list[torch.Tensor]:
    return [value for value in model.eval()(**INPUTS).values() if isinstance(value, torch.Tensor)]


def _equal(one: Any, other: Any) -> bool:
    pairs = zip(_outputs(one), _outputs(other), strict=True)
    return all(torch.allclose(a, b, atol=1e-6) for a, b in pairs)


def _record(base: Path) -> ResultRecord:
    return ResultRecord(str(base), weights_hash(base), "any", "float32", "", "")


class TestNewHead:
    def test_the_seed_decides_and_nothing_else(self, base: Path) -> None:
        torch.manual_seed(7)
        state = torch.get_rng_state()
        one = _load(base)
        assert torch.equal(torch.get_rng_state(), state)
        torch.manual_seed(8)
        assert _equal(one, _load(base))
        assert not _equal(one, _load(base, seed=2))

    @pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
    def test_only_the_head_is_new(self, base: Path, head: TaskHead) -> None:
        one, other = (_load(base, head, seed).state_dict() for seed in (1, 2))
        part = head_of(_load(base, head))
        differing = {name for name in one if not torch.equal(one[name], other[name])}
        assert differing and all(part.holds(name) for name in differing)

    def test_without_a_seed_it_must_be_there(self, base: Path) -> None:
        with pytest.raises(ModelError, match="lacks .* weights"):
            _load(base, seed=None)

    def test_another_missing_weight_is_an_error(self, base: Path) -> None:
        weights = load_file(base / "model.safetensors")
        absent = next(name for name in weights if "layer" in name)
        save_file(
            {k: v for k, v in weights.items() if k != absent}, base / "model.safetensors", {"format": "pt"}
        )
        with pytest.raises(ModelError, match="lacks 1 weights"):
            _load(base)

    def test_labels_stand_in_the_configuration(self, base: Path) -> None:
        config = _load(base).config
        assert config.id2label == {0: "blue", 1: "green", 2: "red"}
        assert config.label2id["red"] == 2 and config.num_labels == 3
        assert config.problem_type == "single_label_classification"


class TestHeadThatIsThere:
    """A base that is a classifier already: the same labels keep its head, others get a new one."""

    @pytest.fixture
    def classifier(self, base: Path, tmp_path: Path) -> Path:
        _load(base, seed=3).save_pretrained(tmp_path / "classifier")
        return tmp_path / "classifier"

    def test_the_same_labels_keep_it(self, base: Path, classifier: Path) -> None:
        assert _equal(_load(classifier, seed=99), _load(base, seed=3))

    def test_other_labels_of_that_number_start_anew(self, classifier: Path) -> None:
        others = TaskHead("SEQ_CLS", ("cat", "cow", "dog"), "single_label_classification")
        assert not _equal(_load(classifier, others, seed=5), _load(classifier))
        assert _equal(_load(classifier, others, seed=5), _load(classifier, others, seed=5))

    def test_another_number_of_labels_starts_anew(self, classifier: Path) -> None:
        two = TaskHead("SEQ_CLS", ("no", "yes"), "single_label_classification")
        assert _outputs(_load(classifier, two))[0].shape[1] == 2


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
@pytest.mark.parametrize("section", METHODS.values(), ids=METHODS)
class TestMethods:
    def test_the_head_trains_whole_in_float32(self, base: Path, head: TaskHead, section: Any) -> None:
        model = load_model(base, dtype=torch.bfloat16, head=head, new_head_seed=1)
        part = head_of(model)
        applied = build_method(section).apply(model)
        trained = trained_parameters(applied)
        of_head = {name for name in trained if part.holds(name)}
        plain = [name for name, _ in _load(base, head).named_parameters() if part.holds(name)]
        assert len(of_head) == len(plain) > 0
        assert not any("lora" in name for name in of_head)
        assert all(parameter.dtype == torch.float32 for parameter in trained.values())

    def test_the_count_is_right(self, base: Path, head: TaskHead, section: Any) -> None:
        facts = with_head(read_base_facts(base), head)
        counted, faults = count_trainable(section, facts)
        applied = build_method(section).apply(_load(base, head))
        assert faults == []
        assert counted.num_trainable == sum(p.numel() for p in trained_parameters(applied).values())
        assert counted.num_total == sum(p.numel() for p in applied.parameters())

    def test_it_comes_back_with_its_labels(
        self, base: Path, head: TaskHead, section: Any, tmp_path: Path
    ) -> None:
        method = build_method(section)
        model = method.apply(_load(base, head))
        generator = torch.Generator().manual_seed(4)
        with torch.no_grad():
            for parameter in trained_parameters(model).values():
                parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.1)
        folder = tmp_path / "result"
        folder.mkdir()
        method.save(model, folder, torch.float32)
        save_head_config(model, folder)
        _record(base).save(folder)
        loaded, _ = load_trained(folder, dtype=torch.float32)
        assert _equal(loaded, model)
        assert saved_head(folder) == head
        assert _equal(_bare(folder, base, head), model)


def _bare(folder: Path, base: Path, head: TaskHead) -> Any:
    """Load a result by transformers and PEFT alone, as their documentation does."""
    from peft import PeftModel

    if not (folder / "adapter_config.json").is_file():
        return head.model_class().from_pretrained(folder)
    from transformers import AutoConfig

    options = (
        {"key_mapping": {r"^model\.": "transformer."}}
        if head is SPANS and "llama" in str(AutoConfig.from_pretrained(base).model_type)
        else {}
    )
    plain = head.model_class().from_pretrained(base, config=AutoConfig.from_pretrained(folder), **options)
    return PeftModel.from_pretrained(plain, str(folder))


def test_an_adapter_without_its_head_is_refused(tmp_path: Path) -> None:
    base = save_tiny_encoder(tmp_path / "base")
    method = build_method(LoraMethod(r=2))
    model = method.apply(_load(base))
    folder = tmp_path / "result"
    folder.mkdir()
    method.save(model, folder, torch.float32)
    save_head_config(model, folder)
    _record(base).save(folder)
    weights = load_file(folder / "adapter_model.safetensors")
    kept = {name: tensor for name, tensor in weights.items() if "classifier" not in name}
    save_file(kept, folder / "adapter_model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match="cannot be loaded over its base|lacks 2 of its weights"):
        load_trained(folder, dtype=torch.float32)


def test_a_family_without_the_head_is_refused(tmp_path: Path) -> None:
    from transformers import MambaConfig, MambaForCausalLM

    config = MambaConfig(vocab_size=20, hidden_size=8, num_hidden_layers=1, state_size=4)
    MambaForCausalLM(config).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="no TokenClassification for this model family"):
        with_head(read_base_facts(tmp_path), TAGS)
    with pytest.raises(ModelError, match="no TokenClassification for this model family"):
        load_model(tmp_path, dtype=torch.float32, head=TAGS, new_head_seed=0)


def test_language_models_have_no_head(make_tiny_llama: Callable[..., Any], tmp_path: Path) -> None:
    model = make_tiny_llama()
    model.save_pretrained(tmp_path)
    assert head_of(model).modules == () and head_of(model).peft_task == "CAUSAL_LM"
    assert saved_head(tmp_path) is None
    facts = read_base_facts(tmp_path)
    assert with_head(facts, None) is facts
