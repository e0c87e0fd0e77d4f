"""Which calls run packed, what they return, and which run plain, with the reason counted."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from luthier.kernels.accelerate import accelerate
from tests.kernels.families import filled_up, packed, padded, rows_of, tiny_model


def _pair() -> tuple[Any, Any, Any]:
    plain, fast = tiny_model("llama"), tiny_model("llama")
    return plain, fast, accelerate(fast)


def _hidden(model: Any, **asked: Any) -> torch.Tensor:
    with torch.no_grad():
        return model.model(**{"use_cache": False, **asked}).last_hidden_state


def test_padding_costs_nothing_and_comes_back_as_zero() -> None:
    plain, fast, _ = _pair()
    batch = padded(rows_of((3, 40, 11)))
    assert batch.attention_mask is not None
    seen = []
    fast.model.layers[0].register_forward_pre_hook(lambda module, args: seen.append(tuple(args[0].shape)))
    found = _hidden(fast, input_ids=batch.input_ids, attention_mask=batch.attention_mask)
    expected = _hidden(plain, input_ids=batch.input_ids, attention_mask=batch.attention_mask)
    assert seen == [(1, filled_up(3 + 40 + 11), 64)]
    real = batch.attention_mask.bool()
    torch.testing.assert_close(found[real], expected[real], rtol=1e-4, atol=1e-5)
    assert not found[~real].any()


@pytest.mark.parametrize("as_embeddings", [False, True])
@pytest.mark.parametrize("positional", [False, True])
def test_forms_of_the_call_are_equal_to_plain(as_embeddings: bool, positional: bool) -> None:
    plain, fast, acceleration = _pair()
    batch = padded(rows_of((3, 40, 11)), side="left")
    assert batch.attention_mask is not None
    positions = (batch.attention_mask.cumsum(-1) - 1).clamp(min=0)
    asked: dict[str, Any] = {"attention_mask": batch.attention_mask, "position_ids": positions}
    results = []
    for model in (plain, fast):
        if as_embeddings:
            given = {**asked, "inputs_embeds": model.model.embed_tokens(batch.input_ids).detach()}
            results.append(_hidden(model, **given))
        elif positional:
            with torch.no_grad():
                outputs = model.model(batch.input_ids, *asked.values(), use_cache=False)
            results.append(outputs.last_hidden_state)
        else:
            results.append(_hidden(model, input_ids=batch.input_ids, **asked))
    real = batch.attention_mask.bool()
    torch.testing.assert_close(results[1][real], results[0][real], rtol=1e-4, atol=1e-5)
    assert not acceleration.plain_calls


def test_plain_calls_are_equal_and_counted() -> None:
    plain, fast, acceleration = _pair()
    batch = padded(rows_of((5, 9)))
    gaps = batch.attention_mask
    assert gaps is not None
    gaps[1, 3] = 0
    ids = {"input_ids": batch.input_ids}
    torch.testing.assert_close(
        _hidden(fast, **ids, attention_mask=gaps)[gaps.bool()],
        _hidden(plain, **ids, attention_mask=gaps)[gaps.bool()],
    )
    with torch.no_grad():
        states, expected = (
            model(**ids, use_cache=False, output_hidden_states=True).hidden_states for model in (fast, plain)
        )
    assert len(states) == len(expected) == 3
    for mine, other in zip(states, expected, strict=True):
        torch.testing.assert_close(mine, other)
    ready = torch.zeros(2, 1, 9, 9).masked_fill_(torch.ones(9, 9).triu(1).bool(), -torch.inf)
    torch.testing.assert_close(
        _hidden(fast, **ids, attention_mask=ready), _hidden(plain, **ids, attention_mask=ready)
    )
    assert acceleration.plain_calls == {
        "a row's mask has gaps or no token at all": 1,
        "output_hidden_states is asked for": 1,
        "a ready-made mask is given": 1,
    }


def test_a_call_with_a_cache_keeps_it() -> None:
    plain, fast, acceleration = (model.eval() if hasattr(model, "eval") else model for model in _pair())
    ids = rows_of((12,))[0][0][None]
    with torch.no_grad():
        first = [model(ids[:, :8], use_cache=True) for model in (plain, fast)]
        assert first[1].past_key_values.get_seq_length() == 8
        then = [
            model(ids[:, 8:], past_key_values=before.past_key_values)
            for model, before in zip((plain, fast), first, strict=True)
        ]
    torch.testing.assert_close(then[1].logits, then[0].logits)
    assert not acceleration.plain_calls


def test_an_error_inside_leaves_the_model_usable() -> None:
    _, fast, acceleration = _pair()
    batch = packed(rows_of((5, 9)))
    before = _hidden(fast, input_ids=batch.input_ids, position_ids=batch.position_ids)

    def fail(*_: object) -> None:
        raise RuntimeError("stop")

    handle = fast.model.layers[1].register_forward_pre_hook(fail)
    with pytest.raises(RuntimeError, match="stop"):
        _hidden(fast, input_ids=batch.input_ids, position_ids=batch.position_ids)
    handle.remove()
    assert not acceleration.packing._running
    after = _hidden(fast, input_ids=batch.input_ids, position_ids=batch.position_ids)
    assert torch.equal(after, before)
    acceleration.undo()
    plain = tiny_model("llama")
    torch.testing.assert_close(
        _hidden(fast, input_ids=batch.input_ids), _hidden(plain, input_ids=batch.input_ids)
    )


def test_two_accelerated_models_do_not_disturb_each_other() -> None:
    """One is plain inside the other's call: a mask must follow from the trunk that runs."""
    plain, fast, _ = _pair()
    inner = tiny_model("llama", seed=5)
    accelerate(inner)
    gaps = torch.ones(1, 14, dtype=torch.long)
    gaps[0, 6] = 0
    ids = rows_of((14,))[0][0][None]
    expected = _hidden(tiny_model("llama", seed=5), input_ids=ids, attention_mask=gaps)
    seen = []
    fast.model.layers[1].register_forward_pre_hook(
        lambda *_: seen.append(_hidden(inner, input_ids=ids, attention_mask=gaps))
    )
    found = _hidden(fast, input_ids=ids)
    torch.testing.assert_close(found, _hidden(plain, input_ids=ids), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(seen[0][gaps.bool()], expected[gaps.bool()])


def test_rows_are_filled_up_so_that_few_shapes_exist() -> None:
    """A training meets as many numbers of rows as there are multiples, not one for each length."""
    _, fast, _ = _pair()
    seen = set()
    fast.model.layers[0].register_forward_pre_hook(lambda module, args: seen.add(args[0].shape[1]))
    for length in range(33, 64):
        fast(**packed(rows_of((length,))).given())
    assert seen == {64}
