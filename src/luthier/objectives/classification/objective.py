"""Sequence classification with a head over the last token (decoders) or the first one (encoders)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional

from luthier.data.classification.classes import Problem
from luthier.data.classification.encode import ClassificationEncoder
from luthier.data.collate import Batch, collate_padded
from luthier.data.example import Example
from luthier.models.heads import TaskHead
from luthier.objectives.classification.adversary import GroupAdversary, log_odds
from luthier.objectives.classification.evaluator import ClassificationEvaluator
from luthier.objectives.classification.fair_loss import group_distance
from luthier.objectives.contract import Loss
from luthier.objectives.headed import head_outputs
from luthier.recipe.fairness_penalty import FairnessPenalty

# Shapes: B rows, C classes.


class Classification:
    """Predict the class, or the classes, of each row.

    Args:
        encoder: Finds the classes and encodes rows.
        problem: Whether a row has exactly one class.
        focal_gamma: Exponent of the focal loss; 0 for the plain one.
        label_smoothing: Share of each label that is spread over all classes.
        pad_token_id: Filler of batches.
        fairness: Pulls groups together in training; the encoder then puts the group beside the class.
    """

    def __init__(
        self,
        encoder: ClassificationEncoder,
        problem: Problem,
        *,
        focal_gamma: float,
        label_smoothing: float,
        pad_token_id: int,
        fairness: FairnessPenalty | None = None,
    ) -> None:
        self.encoder = encoder
        self._problem: Problem = problem
        self._gamma = focal_gamma
        self._smoothing = label_smoothing
        self._pad_token_id = pad_token_id
        self._fairness = fairness
        self._adversary: GroupAdversary | None = None

    @property
    def head(self) -> TaskHead | None:
        """A class per output; None until the classes are known."""
        if self.encoder.classes is None:
            return None
        return TaskHead("SEQ_CLS", self.encoder.classes.labels, f"{self._problem}_classification")

    @property
    def evaluator(self) -> ClassificationEvaluator | None:
        """Measures accuracy, F1 and the like; None until the classes are known."""
        classes = self.encoder.classes
        return None if classes is None else ClassificationEvaluator(self, classes, self._problem)

    def collate(self, examples: Sequence[Example]) -> Batch:
        """Return one micro-batch; its filler is no work for the layers of an accelerated model."""
        return collate_padded(examples, self._pad_token_id)

    def loss(self, model: Any, batch: Batch) -> Loss:
        """Return the summed loss of the rows, each times its weight and, in training, that of its class."""
        logits_BC = head_outputs(model, batch).logits
        loss_B = (
            self._training_losses(logits_BC, batch.labels)
            if model.training
            else self.plain_losses(logits_BC, batch.labels)
        )
        if batch.label_weights is not None:
            loss_B = loss_B * batch.label_weights
        total = loss_B.sum()
        if self._fairness is not None and model.training:
            total = total + self._penalty(logits_BC, batch, self._fairness)
        return Loss(total, batch.num_supervised, {})

    @property
    def hooks(self) -> GroupAdversary | None:
        """The adversary, which trains beside the model; None where there is none, or groups are not known yet."""
        fairness, groups = self._fairness, self.encoder.groups
        if fairness is None or groups is None or fairness.method != "adversary":
            return None
        if self._adversary is None and groups.names:
            self._adversary = GroupAdversary(
                groups,
                given_truth=fairness.criterion == "equalized_odds",
                weight=fairness.weight,
                learning_rate=fairness.adversary_learning_rate,
            )
        return self._adversary

    def _penalty(self, logits_BC: torch.Tensor, batch: Batch, fairness: FairnessPenalty) -> torch.Tensor:
        """Return the weighted distance between groups in the batch, or the adversary's loss behind its reversal.

        The loop divides by the weights of all rows of the step: a distance counts by the batch's share of them.
        """
        assert self.encoder.classes is not None
        labels = batch.labels
        number = self.encoder.classes.labels.index(fairness.positive)
        is_B = labels[:, 0] == number
        if fairness.method == "adversary":
            adversary = self.hooks
            assert adversary is not None, "groups are known once rows are encoded"
            return adversary.loss(log_odds(logits_BC, number), is_B, labels[:, 1], batch.label_weights)
        chance_B = logits_BC.float().softmax(dim=1)[:, number]
        everyone_B = torch.ones_like(is_B)
        parts = (everyone_B,) if fairness.criterion == "demographic_parity" else (is_B, ~is_B)
        return batch.weight * fairness.weight * group_distance(chance_B, labels[:, 1], parts)

    def item_losses(self, model: Any, batch: Batch) -> torch.Tensor:
        """Return the plain loss of each row."""
        return self.plain_losses(head_outputs(model, batch).logits, batch.labels)

    def plain_losses(self, logits_BC: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return cross-entropy, or the mean over classes of the binary one, in nats, float32, shape [B]."""
        if self._problem == "single_label":
            return functional.cross_entropy(logits_BC.float(), labels[:, 0], reduction="none")
        losses_BC = functional.binary_cross_entropy_with_logits(
            logits_BC.float(), labels.float(), reduction="none"
        )
        return losses_BC.mean(dim=1)

    def _training_losses(self, logits_BC: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the loss with smoothing, focus and, for several labels, class weights, shape [B].

        Reference:
            T.-Y. Lin et al., Focal Loss for Dense Object Detection, arXiv:1708.02002, equation 4.
        """
        logits_BC = logits_BC.float()
        if self._problem == "single_label":
            loss_B = functional.cross_entropy(
                logits_BC, labels[:, 0], reduction="none", label_smoothing=self._smoothing
            )
            if not self._gamma:
                return loss_B
            p_B = logits_BC.softmax(dim=1).gather(1, labels[:, :1]).squeeze(1)
            return (1.0 - p_B) ** self._gamma * loss_B
        assert self.encoder.classes is not None
        hot_BC = labels.float()
        losses_BC = functional.binary_cross_entropy_with_logits(
            logits_BC,
            hot_BC * (1.0 - self._smoothing) + 0.5 * self._smoothing,
            reduction="none",
            pos_weight=torch.tensor(self.encoder.classes.weights, device=logits_BC.device),
        )
        if self._gamma:
            p_BC = logits_BC.sigmoid()
            losses_BC = losses_BC * (1.0 - torch.where(hot_BC > 0, p_BC, 1.0 - p_BC)) ** self._gamma
        return losses_BC.mean(dim=1)
