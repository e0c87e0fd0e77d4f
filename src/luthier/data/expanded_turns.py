"""A conversation as several examples: each assistant turn by itself, with the turns before it as its prompt."""

from __future__ import annotations

from dataclasses import replace

from luthier.data.encode import ChatEncoder
from luthier.data.example import Example, Rejection
from luthier.data.sample import Sample
from luthier.data.template import ChatTemplate


class ExpandedTurns:
    """Encodes each assistant turn as an example of its own.

    The same tokens are supervised as in the whole conversation, and the history is encoded again for each turn; the
    label budget shows the difference. A turn's weight is a factor of its example's.

    Args:
        encoder: Encodes a conversation with loss on its last turn.
        template: The encoder's.
    """

    def __init__(self, encoder: ChatEncoder, template: ChatTemplate) -> None:
        self._encoder = encoder
        self._template = template

    def __call__(self, sample: Sample) -> list[Example] | Rejection:
        """Encode one conversation.

        Raises:
            DataError: A turn is too long and the recipe says ``too_long: error``.
        """
        turns = [n for n, m in enumerate(sample.messages) if m.role == "assistant" and m.weight]
        if not turns:
            return self._encoder(sample)
        examples: list[Example] = []
        refused: Rejection | None = None
        for turn in turns:
            result = self._encoder(self._upto(sample, turn))
            if not isinstance(result, Rejection):
                examples += result
            elif result.reason != "no_labels":
                return result  # no part of a row that cannot be rendered, or that is to be dropped
            else:
                refused = refused or result  # its prompt alone is too long, as that of all later turns
        if not examples:
            assert refused
            return refused
        whole = [e for e in examples if not e.lost_end]
        # As in a whole conversation: an answer is cut only where not even the first fits.
        examples = whole or examples[:1]
        if len(examples) < len(turns):
            chat = self._template.encode(sample.messages[: turns[-1] + 1], sample.tools, "last_turn")
            lost = chat.turn_ends[-1] - len(examples[-1].input_ids)
            examples[-1] = replace(examples[-1], num_truncated=lost)
        return examples

    @staticmethod
    def _upto(sample: Sample, turn: int) -> Sample:
        """Return the conversation up to a turn, which gives the row its weight."""
        messages = [replace(m, weight=1) if m.role == "assistant" else m for m in sample.messages[: turn + 1]]
        return replace(sample, messages=tuple(messages), weight=sample.weight * sample.messages[turn].weight)
