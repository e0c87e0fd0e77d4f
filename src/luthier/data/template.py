"""The chat template: one object renders, tokenizes and masks, in training and in serving alike.

The supervised spans come from the rendered text itself: for the assistant turn i, what the template
renders for the turns before it (with the generation prompt) is the prompt P, and what it renders for
the turns up to it is Q; the span is what Q has after P. No marks in the template are needed, and a
conversation for which this does not hold is refused with the reason.

The text is cut at the ends of the spans and each piece is tokenized by itself. A prompt therefore has
the same tokens in training, where the answer follows, and in serving, where it is yet to come.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from luthier.core.hashing import fingerprint
from luthier.data.example import IGNORED
from luthier.data.pieces import PieceTokenizer
from luthier.data.render import ConversationError, Renderer, template_text
from luthier.data.sample import Message
from luthier.data.spans import Span, find_spans
from luthier.data.special_text import SpecialText
from luthier.data.tools import PARSERS

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["ChatTemplate", "ConversationError", "EncodedChat", "LossOn"]

LossOn = Literal["assistant", "last_turn", "all"]


@dataclass(frozen=True)
class EncodedChat:
    """A conversation in tokens.

    Args:
        input_ids: Tokens, T of them.
        labels: The same where they carry loss, `IGNORED` elsewhere.
        turn_ends: For each supervised assistant turn, the index after its last token.
        num_escaped: Special tokens that stood in the content and became plain characters.
    """

    input_ids: list[int]
    labels: list[int]
    turn_ends: list[int]
    num_escaped: int = 0


class _Rendered(NamedTuple):
    """A rendered conversation and its assistant turns; stand-ins, if any, are still in the text."""

    text: str
    spans: list[Span]
    has_stand_ins: bool


class ChatTemplate:
    """Renders, tokenizes and masks conversations.

    Args:
        tokenizer: Its ``chat_template`` is set to the one in use, so that saving it saves that.
        template: None for the tokenizer's own, ``chatml``, or the path of a Jinja file.
        folder: Relative paths start here.

    Raises:
        TemplateError: There is no template, or it does not render a question.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, template: str | None = None, *, folder: Path | None = None
    ) -> None:
        self.tokenizer: Any = tokenizer
        text, self._choice_notices = template_text(tokenizer, template, folder)
        self.tokenizer.chat_template = text
        tokens = {t.content for t in tokenizer.added_tokens_decoder.values() if t.special}
        tokens |= set(tokenizer.all_special_tokens)
        self._special = SpecialText(tokens)
        self._renderer = Renderer(self.tokenizer)
        self.knows_tools = self._renderer.knows_tools
        self._pieces = PieceTokenizer(tokenizer, self._special)
        self.end_token_id: int | None = None
        self._end_text: str | None = None
        self._learn_ends()
        self._parse = self._learn_calls()

    @property
    def notices(self) -> tuple[str, ...]:
        """What a user should know about this template."""
        notices = list(self._choice_notices)
        if self.tokenizer.pad_token_id in self.stop_token_ids:
            notices.append(
                f"padding uses the end token {self.tokenizer.pad_token}; it is masked by length, so that the "
                "end token is still trained"
            )
        return tuple(notices)

    @property
    def fingerprint(self) -> str:
        """Hash of the template, the special tokens and the tool format."""
        return fingerprint(
            self.tokenizer.chat_template, self._special.tokens, self.knows_tools, self.stop_token_ids
        )

    @property
    def parses_tool_calls(self) -> bool:
        """Whether `parse_tool_calls` inverts how this template writes calls."""
        return self._parse is not None

    def prompt_text(self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] = ()) -> str:
        """Return the text that asks for the next assistant turn."""
        rendered = self._rendered(messages, tools, ask=True)
        return self._special.restore(rendered.text) if rendered.has_stand_ins else rendered.text

    def prompt_ids(self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] = ()) -> list[int]:
        """Return the tokens that ask for the next assistant turn: what serving feeds the model.

        Raises:
            ConversationError: The template cannot render these turns.
        """
        return self._tokenize(self._rendered(messages, tools, ask=True))[0]

    def encode(
        self,
        messages: Sequence[Message],
        tools: Sequence[Mapping[str, Any]] = (),
        loss_on: LossOn = "assistant",
    ) -> EncodedChat:
        """Return tokens and labels of a whole conversation.

        Raises:
            ConversationError: The template cannot render it, or its turns cannot be told apart.
        """
        rendered = self._rendered(messages, tools, ask=False)
        answers = [s for s in rendered.spans if messages[s.message].weight]
        muted = [s for s in rendered.spans if not messages[s.message].weight]
        if loss_on == "last_turn":
            answers = [s for s in answers if s is rendered.spans[-1]]
        trains_all = loss_on == "all"
        _check_separable(muted if trains_all else answers)
        if not trains_all:
            self._check_ends(answers)
        input_ids, places = self._tokenize(rendered, () if trains_all else answers)
        labels = list(input_ids) if trains_all else [IGNORED] * len(input_ids)
        for span in muted if trains_all else answers:
            start, end = places[span.message]
            labels[start:end] = [IGNORED] * (end - start) if trains_all else input_ids[start:end]
        ends = [end for _, end in places.values()] if trains_all else [places[s.message][1] for s in answers]
        count = self._special.count(rendered.text) if rendered.has_stand_ins else 0
        return EncodedChat(input_ids, labels, ends, count)

    def parse_tool_calls(self, text: str) -> tuple[str, list[dict[str, Any]]]:
        """Split a generated answer into what is said and the calls it makes: ``name`` and ``arguments``."""
        return self._parse(text) if self._parse else (text, [])

    def _rendered(
        self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]], *, ask: bool
    ) -> _Rendered:
        has_stand_ins = self._special.holds_special(messages, tools)
        if has_stand_ins:
            if self._special.holds_stand_in(messages, tools) or not self._pieces.joins_pieces:
                raise ConversationError(
                    "special_token_in_content",
                    "the content holds the characters of a special token, which could forge a turn",
                    cure="remove them from the text",
                )
            messages = [self._special.swap_message(message) for message in messages]
            tools = [self._special.swap_tool(tool) for tool in tools]
        text = self._renderer.render(messages, tools, ask=ask)
        if not ask:
            _check_nothing_dropped(messages, text)
        spans = find_spans(self._renderer, text, messages, tools, ask=ask, special=self._special,
                           end_text=self._end_text)  # fmt: skip
        return _Rendered(text, spans, has_stand_ins)

    def _check_ends(self, answers: Sequence[Span]) -> None:
        """Refuse a conversation whose supervised turns teach no end."""
        for span in answers:
            if not span.is_ended and self.end_token_id is not None:
                raise ConversationError(
                    "turn_without_end",
                    f"the template writes no end token after turn {span.message + 1}, so its end would not be learnt",
                )

    def _tokenize(
        self, rendered: _Rendered, checked: Sequence[Span] = ()
    ) -> tuple[list[int], dict[int, tuple[int, int]]]:
        """Return the tokens and, by message, the first token of each span and the one after its last.

        Args:
            rendered: The conversation.
            checked: Spans whose prompt must have the tokens that serving will feed.
        """
        spans = [span for span in rendered.spans if not span.fault]
        if not self._pieces.joins_pieces:
            return self._tokenize_whole(rendered.text, spans, checked)
        tokens = self._pieces.ids_with_stand_ins if rendered.has_stand_ins else self._pieces.ids
        ids: list[int] = []
        places = {}
        position = 0
        for span in spans:
            ids += tokens(rendered.text[position : span.start])
            first = len(ids)
            ids += tokens(rendered.text[span.start : span.end])
            places[span.message] = (first, len(ids))
            position = span.end
        return ids + tokens(rendered.text[position:]), places

    def _tokenize_whole(
        self, text: str, spans: Sequence[Span], checked: Sequence[Span]
    ) -> tuple[list[int], dict[int, tuple[int, int]]]:
        """For tokenizers that put a space before every piece: one pass, then spans by character offsets."""
        encoded = self._pieces.ids_and_offsets(text)
        if encoded is None:
            problem = "this tokenizer cannot say which characters a token covers"
            raise ConversationError("no_offsets", problem, cure="convert it to tokenizer.json")
        ids, offsets = encoded
        places = {}
        for span in spans:
            first = next((i for i, (_, end) in enumerate(offsets) if end > span.start), len(ids))
            last = next((i for i, (start, _) in enumerate(offsets) if start >= span.end), len(ids))
            places[span.message] = (first, last)
        for span in checked:
            if ids[: places[span.message][0]] != self._pieces.ids(text[: span.start]):
                raise ConversationError(
                    "prompt_tokens_differ",
                    f"the tokens before turn {span.message + 1} would be others in serving: a token spans its start",
                )
        return ids, places

    def _learn_ends(self) -> None:
        """Find the tokens that end an answer, from what the template writes after one."""
        question = Message("user", "question")
        end = self._end_of([question, Message("assistant", "answer")])
        self.end_token_id = end
        self._end_text = self._text_of(end)
        marks = {t for t in self._special.tokens if t in self._renderer.render([question], (), ask=True)}
        marks |= {
            t for t in (*self.tokenizer.special_tokens_map.values(), self._end_text) if isinstance(t, str)
        }
        self._special = SpecialText(self._special.tokens, marks)
        self._pieces = PieceTokenizer(self.tokenizer, self._special)
        call = {"name": "name", "arguments": {}}
        calling = self._end_of([question, Message("assistant", "", tool_calls=(call,))])
        known = {end, calling, self.tokenizer.eos_token_id}
        self.stop_token_ids: tuple[int, ...] = tuple(sorted(t for t in known if t is not None))

    def _end_of(self, turns: Sequence[Message]) -> int | None:
        """Return the token that ends the last turn, or None if the template writes none."""
        try:
            rendered = self._rendered(turns, (), ask=False)
            span = rendered.spans[-1]
            if span.fault or not span.is_ended:
                return None
            ids, places = self._tokenize(rendered, [span])
        except ConversationError:
            return None
        return ids[places[span.message][1] - 1]

    def _text_of(self, token_id: int | None) -> str | None:
        if token_id is None:
            return None
        return next(
            (t for t in self._special.tokens if self.tokenizer.convert_tokens_to_ids(t) == token_id), None
        )

    def _learn_calls(self) -> Any:
        """Return the parser that inverts how this template writes a call, or None."""
        call = {"name": "get_time", "arguments": {"zone": "UTC"}}
        turns = [Message("user", "question"), Message("assistant", "", tool_calls=(call,))]
        try:
            rendered = self._rendered(turns, (), ask=False)
        except ConversationError:
            return None
        span = rendered.spans[-1]
        if span.fault:
            return None
        # Servers leave special tokens out of the text that they parse.
        answer = self._special.without_tokens(rendered.text[span.start : span.end])
        return next((parse for parse in PARSERS if parse(answer)[1] == [call]), None)


def _check_separable(spans: Sequence[Span]) -> None:
    """Refuse a conversation in which a turn that the mask depends on cannot be told apart."""
    for span in spans:
        if span.fault:
            raise span.fault


def _check_nothing_dropped(messages: Sequence[Message], text: str) -> None:
    """Refuse to train on a rendering that leaves out what was asked or instructed."""
    for index, message in enumerate(messages):
        if message.role not in ("assistant", "tool") and message.content.strip() not in text:
            raise ConversationError(
                "content_dropped",
                f"the template leaves out what the {message.role} says in turn {index + 1}",
                cure="set data.chat_template: chatml",
            )
