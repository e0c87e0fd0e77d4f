"""Embeddings of new tokens: their first values, tied and untied heads, and what survives saving."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from luthier.core.files import write_json
from luthier.data.vocabulary.extend import extend_tokenizer
from luthier.data.vocabulary.retrain import retrain_tokenizer
from luthier.data.vocabulary.stage import Vocabulary
from luthier.methods.build import build_method
from luthier.methods.contract import trained_parameters
from luthier.methods.new_tokens import NewTokens
from luthier.models.load import ResultRecord, load_trained, weights_hash
from luthier.models.vocabulary import extend_embeddings
from luthier.recipe.method_sections import FullMethod, LoraMethod
from tests.models.tiny_chat import CORPUS, make_chat_llama, make_chat_tokenizer

TERMS = ["模型", "天气"]


def _vocabulary(folder: Path, *, is_new: bool = False) -> Vocabulary:
    tokenizer = make_chat_tokenizer()
    extension = (
        retrain_tokenizer(tokenizer, CORPUS * 20, 330) if is_new else extend_tokenizer(tokenizer, TERMS)
    )
    extension.tokenizer.save_pretrained(folder)
    write_json(folder / "embedding_sources.json", extension.sources)
    rows = max(extension.sources) + 1
    ids = {n: getattr(extension.tokenizer, f"{n}_token_id") for n in ("bos", "eos", "pad")}
    return Vocabulary(folder, "f", is_new, len(extension.added), len(extension.sources), rows, {}, {}, ids)


@pytest.mark.parametrize("is_tied", [True, False])
def test_new_rows_begin_as_the_mean_of_their_pieces(is_tied: bool) -> None:
    model = make_chat_llama(tie_word_embeddings=is_tied)
    before = [model.get_input_embeddings().weight.clone(), model.get_output_embeddings().weight.clone()]
    old = before[0].shape[0]
    extend_embeddings(model, {old: [5, 9, 9], old + 1: [7]}, old + 2)
    after = [model.get_input_embeddings().weight, model.get_output_embeddings().weight]
    assert (after[0] is after[1]) == is_tied
    for was, now in zip(before, after, strict=True):
        torch.testing.assert_close(now[:old], was)
        torch.testing.assert_close(now[old], (was[5] + 2 * was[9]) / 3)
        torch.testing.assert_close(now[old + 1], was[7])
    assert model.config.vocab_size == old + 2


def test_other_first_values_are_others() -> None:
    rows = {}
    for init in ("mean_of_pieces", "mean", "random"):
        model = make_chat_llama()
        old = model.config.vocab_size
        extend_embeddings(model, {old: [5, 9], old + 1: [4]}, old + 2, init=init)  # type: ignore[arg-type]
        rows[init] = model.get_input_embeddings().weight[old:].detach()
        torch.testing.assert_close(rows[init][1], model.get_input_embeddings().weight[4])
    mean = make_chat_llama().get_input_embeddings().weight.mean(0)
    torch.testing.assert_close(rows["mean"][0], mean)
    assert not torch.equal(rows["random"][0], rows["mean_of_pieces"][0])


def _trained(folder: Path, method: Any, *, is_tied: bool, is_new: bool) -> tuple[Any, Any, Vocabulary]:
    """Save a base, grow and train it for a step, and return the method, the model and the vocabulary."""
    base = make_chat_llama(tie_word_embeddings=is_tied)
    base.save_pretrained(folder / "base")
    make_chat_tokenizer().save_pretrained(folder / "base")
    vocabulary = _vocabulary(folder / "vocabulary", is_new=is_new)
    grown = NewTokens(build_method(method), method.name, vocabulary, "mean_of_pieces")
    model = grown.apply(base)
    ids = torch.tensor([vocabulary.num_rows - 1, 5, vocabulary.num_rows - 2, 7])[None]
    optimizer = torch.optim.SGD(trained_parameters(model).values(), lr=0.5)
    model(input_ids=ids, labels=ids).loss.backward()
    optimizer.step()
    return grown, model.eval(), vocabulary


@pytest.mark.parametrize("is_tied", [True, False])
@pytest.mark.parametrize("is_new", [False, True])
def test_what_was_trained_survives_saving_bare_peft_and_merging(
    tmp_path: Path, is_tied: bool, is_new: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from peft import AutoPeftModelForCausalLM, PeftModel
    from transformers import AutoModelForCausalLM

    method, model, vocabulary = _trained(tmp_path, LoraMethod(r=4), is_tied=is_tied, is_new=is_new)
    ids = torch.arange(vocabulary.num_rows - 12, vocabulary.num_rows)[None]
    with torch.no_grad():
        expected = model(input_ids=ids).logits
    assert expected.shape[-1] == vocabulary.num_rows
    folder = tmp_path / "model"
    folder.mkdir()
    method.save(model, folder, torch.float32)
    model.generation_config.save_pretrained(folder)
    from transformers import AutoTokenizer

    AutoTokenizer.from_pretrained(vocabulary.folder).save_pretrained(folder)
    base = tmp_path / "base"
    ResultRecord(str(base), weights_hash(base), "lora", "float32", "", "").save(folder)

    ours, text_folder = load_trained(folder, dtype=torch.float32)
    assert text_folder == folder
    bare = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    bare.resize_token_embeddings(vocabulary.num_rows)
    bare = PeftModel.from_pretrained(bare, str(folder)).eval()
    candidates = {"ours": ours, "bare": bare}
    if not is_new:  # PEFT's own loader grows the base by the tokenizer beside the adapter
        automatic = tmp_path / "model"
        config = automatic / "adapter_config.json"
        text = config.read_text().replace(
            '"base_model_name_or_path": null', f'"base_model_name_or_path": "{base}"'
        )
        config.write_text(
            text.replace('"base_model_name_or_path": ""', f'"base_model_name_or_path": "{base}"')
        )
        candidates["automatic"] = AutoPeftModelForCausalLM.from_pretrained(
            automatic, dtype=torch.float32
        ).eval()
    merged = method.merge(load_trained(folder, dtype=torch.float32)[0]).eval()
    merged.save_pretrained(tmp_path / "merged")
    candidates["merged"] = merged
    candidates["merged, reloaded"] = AutoModelForCausalLM.from_pretrained(
        tmp_path / "merged", dtype=torch.float32
    )
    for name, candidate in candidates.items():
        with torch.no_grad():
            found = candidate(input_ids=ids).logits
        torch.testing.assert_close(found, expected, atol=2e-5, rtol=1e-4, msg=lambda m, n=name: f"{n}: {m}")
    if is_tied:
        reloaded = candidates["merged, reloaded"]
        assert reloaded.get_input_embeddings().weight is reloaded.get_output_embeddings().weight


def test_a_base_that_was_not_grown_is_refused_by_bare_peft(tmp_path: Path) -> None:
    """The fault must be loud: an adapter whose rows the base does not have."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    method, model, _ = _trained(tmp_path, LoraMethod(r=4), is_tied=True, is_new=False)
    (tmp_path / "model").mkdir()
    method.save(model, tmp_path / "model", torch.float32)
    bare = AutoModelForCausalLM.from_pretrained(tmp_path / "base", dtype=torch.float32)
    with pytest.raises((IndexError, RuntimeError, ValueError)):
        PeftModel.from_pretrained(bare, str(tmp_path / "model"))


@pytest.mark.parametrize("is_tied", [True, False])
def test_only_new_rows_and_adapters_train(tmp_path: Path, is_tied: bool) -> None:
    base = make_chat_llama(tie_word_embeddings=is_tied)
    vocabulary = _vocabulary(tmp_path / "vocabulary")
    model = NewTokens(build_method(LoraMethod(r=4)), "lora", vocabulary, "mean").apply(base)
    names = {name.split(".")[-2] for name in trained_parameters(model)}
    rows = [p for name, p in trained_parameters(model).items() if "trainable_tokens_delta" in name]
    assert len(rows) == (1 if is_tied else 2)
    assert all(p.shape == (len(TERMS), 32) and p.dtype == torch.float32 for p in rows)
    assert names <= {"default", "trainable_tokens_delta"}


def test_full_training_trains_the_grown_embedding(tmp_path: Path) -> None:
    _, model, vocabulary = _trained(tmp_path, FullMethod(name="full"), is_tied=False, is_new=False)
    assert model.get_input_embeddings().weight.shape[0] == vocabulary.num_rows
    assert model.get_input_embeddings().weight.requires_grad
