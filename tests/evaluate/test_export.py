"""Exported folders are whole, load in bare transformers and PEFT, and compute what the result computed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from luthier.core.errors import ModelError
from luthier.evaluate import export as export_module
from luthier.evaluate.export import export_adapter, export_merged
from luthier.models.load import ResultRecord, load_trained
from luthier.models.quantized import FourBit
from luthier.recipe.method_sections import BottleneckMethod, Ia3Method, LoraMethod, PromptMethod
from tests.models.tiny_adapters import save_adapter
from tests.models.tiny_chat import save_chat_folder

TOKENS = torch.tensor([[1, 70, 80, 90, 2, 40]])

# Nothing of Luthier is imported: this is what another program does.
_BARE = """
import sys, torch
from transformers import AutoModelForCausalLM, AutoTokenizer
folder, base, out = sys.argv[1:]
model = AutoModelForCausalLM.from_pretrained(base or folder, dtype=torch.float32)
if base:
    from peft import PeftModel
    model = PeftModel.from_pretrained(model, folder)
tokenizer = AutoTokenizer.from_pretrained(folder)
assert tokenizer.chat_template and "luthier" not in sys.modules
with torch.no_grad():
    torch.save(model.eval()(torch.tensor([[1, 70, 80, 90, 2, 40]])).logits, out)
"""


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LUTHIER_HOME", str(tmp_path / "home"))
    return save_chat_folder(tmp_path / "base")


@torch.no_grad()
def _logits(folder: Path, **how: Any) -> torch.Tensor:
    return load_trained(folder, dtype=torch.float32, **how)[0](TOKENS).logits


def _bare_logits(folder: Path, base: Path | str, out: Path) -> torch.Tensor:
    command = [sys.executable, "-c", _BARE, str(folder), str(base), str(out)]
    subprocess.run(command, check=True, capture_output=True, cwd=out.parent)
    return torch.load(out, weights_only=True)


def test_merged_loads_in_bare_transformers(base: Path, tmp_path: Path) -> None:
    adapter = save_adapter(base, tmp_path / "adapter", 1)
    made = export_merged(adapter, tmp_path / "out")
    assert made.form == "merged" and made.dtype == "float32"
    assert (
        made.logit_difference < 1e-3 and made.rounded_logit_difference < 1e-3 and made.same_next_token == 1.0
    )
    found = _bare_logits(tmp_path / "out", "", tmp_path / "logits.pt")
    assert torch.allclose(found, _logits(adapter), atol=1e-4)
    assert not torch.allclose(found, _logits(base), atol=1e-2)
    record = ResultRecord.load(tmp_path / "out")
    assert record and record.base == str(base)
    assert torch.equal(_logits(tmp_path / "out"), found)


def test_adapter_loads_in_bare_peft(base: Path, tmp_path: Path) -> None:
    adapter = save_adapter(base, tmp_path / "adapter", 1)
    (adapter / "artifact.json").write_text("{}")
    made = export_adapter(adapter, tmp_path / "out")
    assert made.form == "adapter" and made.logit_difference == 0.0
    assert torch.equal(_bare_logits(tmp_path / "out", base, tmp_path / "logits.pt"), _logits(adapter))
    assert not (tmp_path / "out" / "artifact.json").exists()
    assert ResultRecord.load(tmp_path / "out") == ResultRecord.load(adapter)


def test_the_type_is_the_one_asked_for_and_its_rounding_is_told(base: Path, tmp_path: Path) -> None:
    adapter = save_adapter(base, tmp_path / "adapter", 1)
    made = export_merged(adapter, tmp_path / "out", "bfloat16")
    assert made.dtype == "bfloat16" and made.rounded_logit_difference > 10 * made.logit_difference
    from safetensors.torch import load_file

    assert {t.dtype for t in load_file(tmp_path / "out" / "model.safetensors").values()} == {torch.bfloat16}
    record = ResultRecord.load(tmp_path / "out")
    assert record and record.dtype == "bfloat16"


@pytest.mark.parametrize(
    "section", [LoraMethod(r=4, use_dora=True), Ia3Method(name="ia3")], ids=lambda s: s.name
)
def test_other_methods_that_merge(base: Path, tmp_path: Path, section: Any) -> None:
    adapter = save_adapter(base, tmp_path / "adapter", 1, section=section)
    export_merged(adapter, tmp_path / "out")
    assert torch.allclose(_logits(tmp_path / "out"), _logits(adapter), atol=1e-3)


@pytest.mark.parametrize(
    "section",
    [PromptMethod(name="prompt", num_virtual_tokens=3), BottleneckMethod(name="bottleneck")],
    ids=lambda s: s.name,
)
def test_a_method_that_cannot_be_merged_is_refused_with_its_reason(
    base: Path, tmp_path: Path, section: Any
) -> None:
    adapter = save_adapter(base, tmp_path / "adapter", 1, section=section)
    with pytest.raises(ModelError, match=f"{section.name} cannot be merged: .*"):
        export_merged(adapter, tmp_path / "out")
    assert export_adapter(adapter, tmp_path / "copy").logit_difference == 0.0


def test_over_4_bits_the_whole_base_is_merged_into_and_the_shift_is_told(base: Path, tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes")
    adapter = save_adapter(base, tmp_path / "adapter", 1, four_bit=vars(FourBit()))
    made = export_merged(adapter, tmp_path / "out")
    whole, packed = _logits(adapter, base_form="original"), _logits(adapter)
    assert torch.allclose(_logits(tmp_path / "out"), whole, atol=1e-3)
    assert not torch.allclose(whole, packed, atol=1e-2)
    assert made.four_bit_logit_difference and made.four_bit_logit_difference > 1e-2
    record = ResultRecord.load(tmp_path / "out")
    assert record and record.four_bit is None


def test_a_whole_model_is_exported_whole(base: Path, tmp_path: Path) -> None:
    assert export_merged(base, tmp_path / "out").form == "whole"
    assert torch.equal(_logits(tmp_path / "out"), _logits(base))
    with pytest.raises(ModelError, match="there is no adapter"):
        export_adapter(base, tmp_path / "adapter")


def test_nothing_is_overwritten(base: Path, tmp_path: Path) -> None:
    adapter = save_adapter(base, tmp_path / "adapter", 1)
    (tmp_path / "out").mkdir()
    for action in (export_adapter, export_merged):
        with pytest.raises(ModelError, match="exists already"):
            action(adapter, tmp_path / "out")


def test_what_computes_something_else_is_not_left_behind(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(model: Any, folder: Path, dtype: torch.dtype) -> None:
        model.model.norm.weight.data[0] += 1
        save(model, folder, dtype)
        model.model.norm.weight.data[0] -= 1

    save = export_module.save_whole_model
    monkeypatch.setattr(export_module, "save_whole_model", damaged)
    adapter = save_adapter(base, tmp_path / "adapter", 1)
    with pytest.raises(ModelError, match="model.norm.weight is not read back"):
        export_merged(adapter, tmp_path / "out")
    assert not (tmp_path / "out").exists()
