"""The proofs hold for an honest result and fail where a template, a stop token or a weight was changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from luthier.core.errors import ModelError, TemplateError
from luthier.data.encode import ChatEncoder
from luthier.data.example import Example
from luthier.data.sample import Message, Sample
from luthier.data.template import ChatTemplate, LossOn
from luthier.evaluate.parity import prove_merge, prove_prompts, prove_reload
from luthier.methods.lora import Lora
from luthier.recipe.method_sections import LoraMethod
from tests.data.chat_templates import LLAMA3, make_tokenizer


@dataclass(frozen=True)
class Saved:
    """A saved text side and the rows that were encoded with it."""

    folder: Path
    samples: list[Sample]
    template: ChatTemplate

    def rows(self, loss_on: LossOn = "assistant", max_length: int = 500) -> list[Example]:
        encoder = ChatEncoder(self.template, loss_on=loss_on, max_length=max_length, too_long="truncate")
        encoded = [encoder(sample) for sample in self.samples]
        return [rows[0] for rows in encoded if isinstance(rows, list)]

    def tamper(self, change: Callable[[str], str]) -> None:
        path = self.folder / "chat_template.jinja"
        before = path.read_text(encoding="utf-8")
        assert change(before) != before
        path.write_text(change(before), encoding="utf-8")


@pytest.fixture
def saved(tmp_path: Path) -> Saved:
    template = ChatTemplate(make_tokenizer(LLAMA3))
    template.tokenizer.save_pretrained(tmp_path)
    texts = [("what is it?", "a test"), ("and why?", "to be sure"), ("short", "yes")]
    samples = [
        Sample(
            "made.jsonl",
            n,
            (
                Message("user", asked),
                Message("assistant", told),
                Message("user", "more"),
                Message("assistant", "no"),
            ),
        )
        for n, (asked, told) in enumerate(texts, start=1)
    ]
    return Saved(tmp_path, samples, template)


class TestPrompts:
    @pytest.mark.parametrize(("loss_on", "prompts"), [("assistant", 6), ("last_turn", 3), ("all", 6)])
    def test_an_honest_result_is_proved(self, saved: Saved, loss_on: LossOn, prompts: int) -> None:
        proof = prove_prompts(saved.folder, saved.samples, saved.rows(loss_on), loss_on=loss_on)
        turns = [[1, 3], [3]][loss_on == "last_turn"]
        expected = [
            len(saved.template.prompt_ids(s.messages[:turn])) for s in saved.samples for turn in turns
        ]
        assert proof["rows"] == 3
        assert proof["prompts_equal"] == prompts == len(expected)
        assert proof["prompt_tokens_equal"] == sum(expected)
        assert proof["end_tokens_that_stop"] == (0 if loss_on == "all" else 3)
        assert "<|eot_id|>" in proof["stop_tokens"]
        assert proof["template_hash"] == saved.template.fingerprint

    def test_another_template_is_found_and_the_row_named(self, saved: Saved) -> None:
        saved.tamper(lambda text: text.replace("<|end_header_id|>\n\n", "<|end_header_id|>\n"))
        with pytest.raises(TemplateError, match="other tokens than turn 2") as caught:
            prove_prompts(saved.folder, saved.samples, saved.rows(), loss_on="assistant")
        assert caught.value.where == "made.jsonl, row 1"

    def test_a_generation_prompt_with_one_space_more_is_found(self, saved: Saved) -> None:
        saved.tamper(lambda text: text.replace("\n\n' }}{% endif", "\n\n ' }}{% endif"))
        with pytest.raises(TemplateError):
            prove_prompts(saved.folder, saved.samples, saved.rows(), loss_on="assistant")

    def test_a_template_with_a_long_preamble_is_found(self, saved: Saved) -> None:
        # Prompts longer than the whole row must not be taken for rows that were cut off.
        saved.tamper(lambda text: "{{- 'You are another assistant. ' * 60 }}" + text)
        with pytest.raises(TemplateError, match="other tokens"):
            prove_prompts(saved.folder, saved.samples, saved.rows(), loss_on="assistant")

    def test_one_changed_row_among_many_is_found(self, saved: Saved) -> None:
        rows = saved.rows()
        tokens = rows[2].input_ids.copy()
        tokens[1] += 1
        rows[2] = replace(rows[2], input_ids=tokens)
        with pytest.raises(TemplateError) as caught:
            prove_prompts(saved.folder, saved.samples, rows, loss_on="assistant")
        assert caught.value.where == "made.jsonl, row 3"

    def test_a_template_that_ends_answers_otherwise_is_found(self, saved: Saved) -> None:
        # The question's end stays; only the answers end with another token, at which serving then waits.
        saved.tamper(
            lambda text: text.replace(
                "'<|eot_id|>' }}", "('<|end_of_text|>' if m.role == 'assistant' else '<|eot_id|>') }}"
            )
        )
        samples = [replace(sample, messages=sample.messages[:2]) for sample in saved.samples]
        rows = Saved(saved.folder, samples, saved.template).rows()
        with pytest.raises(TemplateError, match="at which serving would not stop"):
            prove_prompts(saved.folder, samples, rows, loss_on="assistant")

    def test_a_stop_token_that_is_no_longer_special_is_found(self, saved: Saved) -> None:
        path = saved.folder / "tokenizer.json"
        content = json.loads(path.read_text(encoding="utf-8"))
        kept = [token for token in content["added_tokens"] if token["content"] != "<|eot_id|>"]
        assert len(kept) == len(content["added_tokens"]) - 1
        path.write_text(json.dumps({**content, "added_tokens": kept}), encoding="utf-8")
        with pytest.raises(TemplateError):
            prove_prompts(saved.folder, saved.samples, saved.rows(), loss_on="assistant")

    def test_a_template_that_is_gone_is_found(self, saved: Saved) -> None:
        (saved.folder / "chat_template.jinja").unlink()
        with pytest.raises(TemplateError, match="has no chat template"):
            prove_prompts(saved.folder, saved.samples, saved.rows(), loss_on="assistant")

    def test_rows_cut_before_a_turn_or_its_end_are_no_fault(self, saved: Saved) -> None:
        first = len(saved.template.prompt_ids(saved.samples[0].messages[:1]))
        samples = saved.samples[:1]
        rows = saved.rows(max_length=first + 2)[:1]
        assert rows[0].lost_end
        proof = prove_prompts(saved.folder, samples, rows, loss_on="assistant")
        assert (proof["prompts_equal"], proof["end_tokens_that_stop"]) == (1, 0)

    def test_nothing_to_compare_is_no_proof(self, saved: Saved) -> None:
        row = saved.rows()[0]
        cut = replace(row, input_ids=row.input_ids[:3], labels=row.input_ids[:3], lost_end=True)
        with pytest.raises(TemplateError, match="no row's prompt could be compared"):
            prove_prompts(saved.folder, saved.samples[:1], [cut], loss_on="assistant")


class TestReload:
    @pytest.mark.parametrize("reloaded", [2.0, 2.019, 1.981])
    def test_rounding_is_no_fault(self, reloaded: float) -> None:
        proof = prove_reload(2.0, reloaded)
        assert proof["relative_difference"] == pytest.approx(abs(reloaded - 2.0) / 2.0)
        assert proof["relative_difference"] <= proof["tolerance"]

    @pytest.mark.parametrize("reloaded", [2.021, 1.979, 20.0, float("nan"), float("inf")])
    def test_another_loss_is_found_whatever_its_direction(self, reloaded: float) -> None:
        with pytest.raises(ModelError, match="in training it had 2.0000"):
            prove_reload(2.0, reloaded)

    def test_the_loss_of_a_good_classifier_may_differ_by_rounding_and_no_more(self) -> None:
        """SmolLM2 in bfloat16 over six classes of Banking77: 0.1352 in training, 0.1372 loaded again."""
        assert prove_reload(0.1352, 0.1372)["relative_difference"] == pytest.approx(0.002)
        with pytest.raises(ModelError):
            prove_reload(0.1352, 0.1462)

    def test_a_loss_that_was_no_number_in_training_is_no_proof(self) -> None:
        with pytest.raises(ModelError):
            prove_reload(float("nan"), 2.0)

    def test_a_changed_weight_shows_in_the_loss(
        self, tmp_path: Path, make_tiny_llama: Any, make_rows: Any
    ) -> None:
        from luthier.evaluate.loss import row_losses
        from luthier.models.load import load_model
        from luthier.objectives.language_modeling import LanguageModeling

        objective = LanguageModeling(encoder=None, packing=True, pad_token_id=0)  # type: ignore[arg-type]
        model, rows = make_tiny_llama(), make_rows(12)
        trained = row_losses(model, objective, rows, dtype=torch.float32).mean
        model.save_pretrained(tmp_path)
        reloaded = load_model(tmp_path, dtype=torch.float32)
        assert prove_reload(trained, row_losses(reloaded, objective, rows, dtype=torch.float32).mean)
        weights = load_file(tmp_path / "model.safetensors")
        weights["model.norm.weight"] *= 20
        save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
        damaged = load_model(tmp_path, dtype=torch.float32)
        with pytest.raises(ModelError):
            prove_reload(trained, row_losses(damaged, objective, rows, dtype=torch.float32).mean)


class TestMerge:
    @pytest.fixture
    def adapter(self, tmp_path: Path, make_tiny_llama: Any) -> tuple[Path, Lora]:
        base = tmp_path / "base"
        model = make_tiny_llama()
        model.save_pretrained(base)
        method = Lora(LoraMethod(name="lora", r=4, lora_alpha=8, lora_dropout=0.1))
        model.config._name_or_path = model.name_or_path = str(base)
        wrapped = method.apply(model)
        generator = torch.Generator().manual_seed(5)
        with torch.no_grad():
            for name, parameter in wrapped.named_parameters():
                if "lora_B" in name:
                    parameter.copy_(0.2 * torch.randn(parameter.shape, generator=generator))
        wrapped.peft_config["default"].base_model_name_or_path = str(base)
        folder = tmp_path / "adapter"
        folder.mkdir()
        method.save(wrapped, folder, torch.float32)
        return folder, method

    def test_an_honest_merge_is_proved(self, adapter: tuple[Path, Lora], make_rows: Any) -> None:
        folder, method = adapter
        rows = make_rows(3)
        proof = prove_merge(folder, method, rows)
        assert proof["rows"] == 3
        assert proof["tokens"] == sum(len(row.input_ids) for row in rows)
        assert 0 < proof["largest_logit_difference"] <= proof["tolerance"]

    @pytest.mark.parametrize("change", [0.1, float("nan")])
    def test_a_weight_that_differs_after_merging_is_found(
        self, adapter: tuple[Path, Lora], make_rows: Any, change: float
    ) -> None:
        folder, method = adapter

        class Careless(Lora):
            def merge(self, model: Any) -> Any:
                merged = super().merge(model)
                with torch.no_grad():
                    merged.model.layers[1].mlp.down_proj.weight[0, 0] += change
                return merged

        with pytest.raises(ModelError, match="merging the adapter changes a logit") as caught:
            prove_merge(folder, Careless(method._section), make_rows(3))
        assert caught.value.where == str(folder)

    def test_an_adapter_that_is_not_merged_is_found(self, adapter: tuple[Path, Lora], make_rows: Any) -> None:
        folder, method = adapter

        class Forgetful(Lora):
            def merge(self, model: Any) -> Any:
                return model.unload()

        with pytest.raises(ModelError, match="merging the adapter"):
            prove_merge(folder, Forgetful(method._section), make_rows(3))


def test_rows_of_the_fixture_differ(saved: Saved) -> None:
    rows = saved.rows()
    assert len({row.input_ids.tobytes() for row in rows}) == 3
    assert all(np.any(row.labels != -100) for row in rows)
