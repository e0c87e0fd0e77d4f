"""An adversary that learns to tell groups from what a classifier says, while the classifier learns to prevent it.

Where the adversary is left guessing, what the classifier says is independent of the group: demographic parity. Where
it is told the true label and still guesses, it is so among the rows of each label: equalized odds.

Reference: B. H. Zhang, B. Lemoine, M. Mitchell, Mitigating Unwanted Biases with Adversarial Learning, 2018,
arXiv:1801.07593, section 3 (what the adversary reads); Y. Ganin et al., Domain-Adversarial Training of Neural Networks,
2016, arXiv:1505.07818, sections 4.1 and 5.2.2 (reversed gradients, and their factor over training).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from luthier.data.classification.groups import TrainingGroups
from luthier.methods.contract import Progress, StepHooks

# Shapes: B rows, C classes, F what the adversary reads, G groups.

_HIDDEN = 32


class _Reversed(torch.autograd.Function):
    """Passes values on and multiplies the gradient by a negative factor."""

    @staticmethod
    def forward(context: Any, values: torch.Tensor, factor: float) -> torch.Tensor:
        context.factor = factor
        return values.view_as(values)

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        return -context.factor * gradient, None


def reverse_gradient(values: torch.Tensor, factor: float) -> torch.Tensor:
    """Return the same values; what comes back through them is multiplied by ``-factor``."""
    reversed_: torch.Tensor = _Reversed.apply(values, factor)
    return reversed_


def log_odds(logits_BC: torch.Tensor, number: int) -> torch.Tensor:
    """Return the logarithm of a class's probability over that of all others, float32, shape [B]."""
    logits_BC = logits_BC.float()
    others = [n for n in range(logits_BC.shape[1]) if n != number]
    return logits_BC[:, number] - logits_BC[:, others].logsumexp(dim=1)


class GroupAdversary(StepHooks):
    """A small network with an optimizer of its own; the model's weights never contain it.

    Groups count alike in its loss, whatever their rows weigh together: guessing then costs ln G, and the classifier
    cannot please an adversary that always says the largest group. Where it is told the truth, groups count alike among
    the rows of each kind, and guessing costs ln of the groups that have such rows.

    Args:
        groups: Of the training rows.
        given_truth: Whether it is told if a row has the label: equalized odds.
        weight: Factor of the gradient that reaches the classifier, at the end of training.
        learning_rate: Of Adam.
    """

    def __init__(
        self, groups: TrainingGroups, *, given_truth: bool, weight: float, learning_rate: float
    ) -> None:
        self._given_truth = given_truth
        self._weight = weight
        self._factor = 0.0
        parts = (True, False) if given_truth else (None,)
        self._row_weights = torch.tensor([_balanced(groups.counts(has_label=part)) for part in parts])
        # Told the truth, it need not guess a group that has no such rows.
        self._guessing = (self._row_weights > 0).sum(dim=1).clamp(min=1).log()
        self._num_groups = len(groups.names)
        self._learning_rate = learning_rate
        self._begin()

    def _begin(self) -> None:
        """Make a network that knows nothing."""
        num_read = 5 if self._given_truth else 2
        with torch.random.fork_rng():  # the classifier's dropout stays what it is without an adversary
            self.network = nn.Sequential(
                nn.Linear(num_read, _HIDDEN), nn.Tanh(), nn.Linear(_HIDDEN, self._num_groups)
            )
        self._optimizer = torch.optim.Adam(self.network.parameters(), lr=self._learning_rate)
        self._seen: list[torch.Tensor] = []

    def check_schedule(self, progress: Progress) -> None:
        """Begin anew: the cost of a step may have been measured with this objective before."""
        self._begin()

    def loss(
        self,
        odds_B: torch.Tensor,
        is_B: torch.Tensor,
        group_B: torch.Tensor,
        label_weight_B: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return a term of value 0 with the gradient of the adversary's summed loss, reversed towards the classifier.

        The value is 0 so that the loss that is logged stays the classifier's; the adversary's own is in `report`. The
        loop divides the sum by the weights of all rows of the step: micro-batches are together one large batch.

        Args:
            odds_B: Log-odds of the label, as the classifier says, float32.
            is_B: Whether rows have the label.
            group_B: Number of each row's group; rows below 0 have none and tell the adversary nothing.
            label_weight_B: Weight of each row in the loss; None where every row weighs 1.
        """
        part_B = (~is_B).long() if self._given_truth else torch.zeros_like(group_B).long()
        known_B = group_B.clamp(min=0).long()
        weight_B = self._row_weights.to(odds_B.device)[part_B, known_B] * (group_B >= 0)
        if label_weight_B is not None:
            weight_B = weight_B * label_weight_B
        with torch.autocast(odds_B.device.type, enabled=False):
            scores_BG = self.network(self._read(reverse_gradient(odds_B, self._factor), is_B))
            losses_B = functional.cross_entropy(scores_BG, known_B, reduction="none")
        total = (weight_B * losses_B).sum()
        guessed = (weight_B * self._guessing.to(odds_B.device)[part_B]).sum()
        self._seen.append(torch.stack([total.detach(), guessed, weight_B.sum()]))
        return total - total.detach()

    def _read(self, odds_B: torch.Tensor, is_B: torch.Tensor) -> torch.Tensor:
        """Return what the adversary reads: log-odds and probability, given the truth for rows of each kind apart."""
        said_B2 = torch.stack([odds_B, odds_B.sigmoid()], dim=1)
        if not self._given_truth:
            return said_B2
        is_B1 = is_B.to(odds_B.dtype)[:, None]
        return torch.cat([said_B2 * is_B1, said_B2 * (1.0 - is_B1), is_B1], dim=1)

    def before_step(self, model: Any, progress: Progress) -> None:
        """Set the factor of the reversed gradient, which rises from 0: a new adversary has nothing to say yet."""
        self.network.to(next(model.parameters()).device)
        share = progress.step / progress.num_steps
        self._factor = self._weight * (2.0 / (1.0 + math.exp(-10.0 * share)) - 1.0)

    def after_step(self, model: Any, progress: Progress) -> None:
        """Train the adversary by the step's gradients."""
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)

    def report(self) -> dict[str, float]:
        """Return the adversary's mean loss since the last report, and what guessing costs on the same rows."""
        if not self._seen:
            return {}
        total, guessed, weight = torch.stack(self._seen).sum(dim=0).tolist()
        self._seen = []
        if not weight:
            return {}
        return {"adversary_loss": total / weight, "adversary_guessing": guessed / weight}

    def state(self, model: Any) -> dict[str, torch.Tensor]:
        """Return network and moments."""
        kept = {}
        for name, parameter in self.network.named_parameters():
            kept[name] = parameter.detach()
            for kind, value in self._optimizer.state.get(parameter, {}).items():
                kept[f"{name}/{kind}"] = value
        return kept

    def restore(self, model: Any, tensors: Mapping[str, torch.Tensor]) -> None:
        """Put back network and moments."""
        self.network.to(next(model.parameters()).device)
        with torch.no_grad():
            for name, parameter in self.network.named_parameters():
                parameter.copy_(tensors[name])
                start = f"{name}/"
                for key, tensor in tensors.items():
                    if key.startswith(start):
                        # Adam keeps its count of steps on the processor, the moments beside the weights.
                        is_count = tensor.ndim == 0
                        self._optimizer.state[parameter][key.removeprefix(start)] = (
                            tensor.clone() if is_count else tensor.clone().to(parameter.device)
                        )


def _balanced(counts: Mapping[str, float]) -> list[float]:
    """Return the factor of each group's rows that makes all groups count alike; 0 where there is nothing to compare."""
    present = [count for count in counts.values() if count]
    if len(present) < 2:
        return [0.0] * len(counts)
    return [sum(present) / (len(present) * count) if count else 0.0 for count in counts.values()]
