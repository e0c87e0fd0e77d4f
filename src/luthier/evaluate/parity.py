"""Proofs that what is served is what was trained: prompt tokens, stop tokens, reloaded and merged weights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from luthier.core.errors import ModelError, TemplateError
from luthier.data.example import IGNORED, Example
from luthier.data.sample import Sample
from luthier.data.template import ChatTemplate, LossOn
from luthier.methods.contract import Method
from luthier.models.chat_model import load_text_side
from luthier.models.heads import head_of
from luthier.models.load import ResultRecord, load_trained
from luthier.plan.compatibility import merge_refusal

_LEAST_LOSS = 1.0
"""Nats. The loss of a good classifier is near 0, and what rounding adds to it does not shrink with it: below this the
difference itself counts."""
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
    by_place = {sample.place: sample for sample in samples}
    expanded = Counter(example.place for example in examples)
    for example in examples:
        sample = by_place[example.place]
        compare = _own_prompt if expanded[example.place] > 1 else _prompts
        equal = compare(template, sample, example, loss_on)
        num_prompts, num_tokens = num_prompts + len(equal), num_tokens + sum(equal)
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


def _prompts(template: ChatTemplate, sample: Sample, example: Example, loss_on: LossOn) -> list[int]:
    """Return the lengths of the trained turns' prompts, each of which begins the row."""
    trained = example.input_ids.tolist()
    turns = [n for n, m in enumerate(sample.messages) if m.role == "assistant" and m.weight]
    equal = []
    for turn in turns[-1:] if loss_on == "last_turn" else turns:
        served = template.prompt_ids(sample.messages[:turn], sample.tools)
        if served[: len(trained)] != trained[: len(served)]:
            raise TemplateError(
                f"serving would feed other tokens than turn {turn + 1} was trained on", where=sample.place
            )
        if len(served) < len(
            trained
        ):  # otherwise cut off before this turn: equal as far as it goes, but no proof
            equal.append(len(served))
    return equal


def _own_prompt(template: ChatTemplate, sample: Sample, example: Example, loss_on: LossOn) -> list[int]:
    """Return the length of the prompt of a turn that is an example of its own: all that stands before its labels."""
    start = int(np.flatnonzero(example.labels != IGNORED)[0])
    trained = example.input_ids[:start].tolist()
    for turn, message in enumerate(sample.messages):
        if (
            message.role == "assistant"
            and template.prompt_ids(sample.messages[:turn], sample.tools) == trained
        ):
            return [start]
    raise TemplateError("serving would feed other tokens than a turn was trained on", where=sample.place)


def prove_reload(trained_loss: float, reloaded_loss: float) -> dict[str, Any]:
    """Compare the held-out loss of the weights in training with that of the saved ones.

    Raises:
        ModelError: They differ by more than rounding explains.
    """
    difference = abs(reloaded_loss - trained_loss) / max(_LEAST_LOSS, trained_loss)
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


def proves_merge(folder: Path) -> bool:
    """Whether a saved result is an adapter whose merging is proved here.

    Over a base in 4 bits it is proved where it is done, by ``luthier export``: the whole base in float32 may not fit
    on a machine that 4 bits were chosen for.
    """
    record = ResultRecord.load(folder)
    if not (folder / "adapter_config.json").is_file() or (record and record.four_bit):
        return False
    return record is None or merge_refusal(record.method) is None


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
    before = logits_of(model, inputs)
    after = logits_of(method.merge(model).eval(), inputs)
    difference = largest_difference(before, after)
    if not difference <= MERGE_TOLERANCE:
        raise ModelError(f"merging the adapter changes a logit by {difference:.2g}", where=str(folder))
    return {
        "rows": len(inputs),
        "tokens": sum(i.shape[1] for i in inputs),
        "largest_logit_difference": difference,
        "tolerance": MERGE_TOLERANCE,
    }


def largest_difference(some: Sequence[torch.Tensor], others: Sequence[torch.Tensor]) -> float:
    """Return the largest difference between logits [1, T, V] of the same rows."""
    return max(float((a.float() - b.float()).abs().max()) for a, b in zip(some, others, strict=True))


def share_of_same_tokens(some: Sequence[torch.Tensor], others: Sequence[torch.Tensor]) -> float:
    """Return at which share of the positions the most probable next token is the same."""
    same = torch.cat([(a.argmax(-1) == b.argmax(-1)).flatten() for a, b in zip(some, others, strict=True)])
    return float(same.float().mean())


@torch.no_grad()
def logits_of(model: Any, inputs: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """Return the logits of each row of token ids [1, T]."""
    # Models with a task's head cache nothing (load_model saw to it), and encoders know no such argument.
    options = {} if head_of(model).modules else {"use_cache": False}
    outputs = [model(input_ids=ids, **options) for ids in inputs]
    return [o.logits if "logits" in o else torch.cat([o.start_logits, o.end_logits]) for o in outputs]
