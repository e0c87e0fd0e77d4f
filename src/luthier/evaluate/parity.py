"""Proofs that what is served is what was trained: prompt tokens, stop tokens, reloaded and merged weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from luthier.core.errors import ModelError, TemplateError
from luthier.data.example import IGNORED, Example
from luthier.data.sample import Sample
from luthier.data.template import LossOn
from luthier.methods.contract import Method
from luthier.models.chat_model import load_text_side
from luthier.models.heads import head_of
from luthier.models.load import ResultRecord, load_trained
from luthier.plan.compatibility import merge_refusal

RELOAD_TOLERANCE = 0.01
"""Relative difference of held-out loss between the loop's weights and the saved ones: whole models trained in
float32 are saved in the recipe's type, and batches of other shapes round differently in bfloat16."""

MERGE_TOLERANCE = 1e-3
"""Largest difference of a logit between adapter and merged weights, both in float32."""


def prove_prompts(
    folder: Path, samples: Sequence[Sample], examples: Sequence[Example], *, loss_on: LossOn
) -> dict[str, Any]:
    """Compare what serving feeds the model with the tokens that were trained.

    The text side is loaded from the saved model, as the server loads it. For every trained turn its prompt
    tokens must be the beginning of the trained row, and the token that ends the row must stop the server.

    Args:
        folder: The saved model.
        samples: Rows as read.
        examples: The same rows as trained.
        loss_on: Which turns were trained.

    Returns:
        The proof, with figures.

    Raises:
        TemplateError: A row differs; it is named.
    """
    _, template = load_text_side(folder)
    if template is None:
        raise TemplateError("the saved model has no chat template", where=str(folder))
    num_prompts = num_tokens = num_ends = 0
    for sample, example in zip(samples, examples, strict=True):
        trained = example.input_ids.tolist()
        turns = [n for n, m in enumerate(sample.messages) if m.role == "assistant" and m.weight]
        for turn in turns[-1:] if loss_on == "last_turn" else turns:
            served = template.prompt_ids(sample.messages[:turn], sample.tools)
            if served[: len(trained)] != trained[: len(served)]:
                raise TemplateError(
                    f"serving would feed other tokens than turn {turn + 1} was trained on", where=sample.place
                )
            if len(served) >= len(trained):
                continue  # cut off before this turn: equal as far as it goes, but no proof
            num_prompts, num_tokens = num_prompts + 1, num_tokens + len(served)
        if loss_on != "all" and not example.lost_end:
            last = int(example.labels[example.labels != IGNORED][-1])
            if last not in template.stop_token_ids:
                raise TemplateError(
                    f"answers were trained to end with token {last}, at which serving would not stop",
                    where=sample.place,
                )
            num_ends += 1
    if not num_prompts:
        raise TemplateError("no row's prompt could be compared", cure="raise data.max_length")
    return {
        "rows": len(examples),
        "prompts_equal": num_prompts,
        "prompt_tokens_equal": num_tokens,
        "end_tokens_that_stop": num_ends,
        "stop_tokens": [template.tokenizer.convert_ids_to_tokens(t) for t in template.stop_token_ids],
        "template_hash": template.fingerprint,
    }


def prove_reload(trained_loss: float, reloaded_loss: float) -> dict[str, Any]:
    """Compare the held-out loss of the weights in training with that of the saved ones.

    Raises:
        ModelError: They differ by more than rounding explains.
    """
    difference = abs(reloaded_loss - trained_loss) / trained_loss
    if not difference <= RELOAD_TOLERANCE:  # so that NaN raises too
        raise ModelError(
            f"the saved model has held-out loss {reloaded_loss:.4f}, in training it had {trained_loss:.4f}",
            cure="this is a bug of ours or a damaged disk: please report it with the run folder",
        )
    return {
        "loss_in_training": trained_loss,
        "loss_reloaded": reloaded_loss,
        "relative_difference": difference,
        "tolerance": RELOAD_TOLERANCE,
    }


def can_merge(folder: Path) -> bool:
    """Whether a saved result is an adapter that can be worked into its base's weights."""
    record = ResultRecord.load(folder)
    is_adapter = (folder / "adapter_config.json").is_file()
    return is_adapter and (record is None or merge_refusal(record.method) is None)


def prove_merge(folder: Path, method: Method, rows: Sequence[Example]) -> dict[str, Any]:
    """Compare the logits of base and adapter with those of the merged weights, both in float32.

    Args:
        folder: The saved adapter.
        method: Knows how to merge.
        rows: Rows to compute logits of.

    Raises:
        ModelError: A logit differs by more than `MERGE_TOLERANCE`.
    """
    model, _ = load_trained(folder, dtype=torch.float32)
    inputs = [torch.from_numpy(row.input_ids).long()[None] for row in rows]
    before = _logits(model, inputs)
    after = _logits(method.merge(model).eval(), inputs)
    difference = max(float((a - b).abs().max()) for a, b in zip(before, after, strict=True))
    if not difference <= MERGE_TOLERANCE:
        raise ModelError(f"merging the adapter changes a logit by {difference:.2g}", where=str(folder))
    return {
        "rows": len(inputs),
        "tokens": sum(i.shape[1] for i in inputs),
        "largest_logit_difference": difference,
        "tolerance": MERGE_TOLERANCE,
    }


@torch.no_grad()
def _logits(model: Any, inputs: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    # Models with a task's head cache nothing (load_model saw to it), and encoders know no such argument.
    options = {} if head_of(model).modules else {"use_cache": False}
    outputs = [model(input_ids=ids, **options) for ids in inputs]
    return [o.logits if "logits" in o else torch.cat([o.start_logits, o.end_logits]) for o in outputs]
