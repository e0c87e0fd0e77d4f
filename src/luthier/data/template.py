"""The chat template: one object renders, tokenizes and masks, in training and in serving alike.

The supervised spans come from the rendered text itself: for the assistant turn i, what the template
renders for the turns before it (with the generation prompt) is the prompt P, and what it renders for
the turns up to it is Q; the span is what Q has after P. No marks in the template are needed, and a
template for which this does not hold is refused.

The text is cut at the ends of the spans and each piece is tokenized by itself. A prompt therefore has
the same tokens in training, where the answer follows, and in serving, where it is yet to come.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from jinja2.exceptions import TemplateError as JinjaError

from luthier.core.errors import TemplateError
from luthier.core.hashing import fingerprint
from luthier.data.example import IGNORED
from luthier.data.sample import Message
from luthier.data.tools import as_text, parse_calls

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

LossOn = Literal["assistant", "last_turn", "all"]


@dataclass(frozen=True)
class EncodedChat:
    """A conversation in tokens.

    Args:
        input_ids: Tokens, T of them.
        labels: The same where they carry loss, `IGNORED` elsewhere.
        turn_ends: For each supervised assistant turn, the index after its last token.
    """

    input_ids: list[int]
    labels: list[int]
    turn_ends: list[int]


@dataclass(frozen=True)
class _Span:
    """An assistant turn in the rendered text, from its first character to the end of its end token."""

    start: int
    end: int
    is_ended: bool
    message: int


class ChatTemplate:
    """Renders, tokenizes and masks conversations.

    Args:
        tokenizer: Its ``chat_template`` is set to the one in use, so that saving it saves that.
        template: None for the tokenizer's own, ``chatml``, or the path of a Jinja file.
        folder: Relative paths start here.

    Raises:
        TemplateError: There is no template, or it cannot be read.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, template: str | None = None, *, folder: Path | None = None
    ) -> None:
        self.tokenizer: Any = tokenizer
        self.tokenizer.chat_template = _template_text(tokenizer, template, folder)
        self._special = sorted(
            {t.content for t in tokenizer.added_tokens_decoder.values() if t.special}
            | set(tokenizer.all_special_tokens),
            key=len,
            reverse=True,
        )
        self._joins_pieces = self._tokenizes_pieces_alike()
        self.knows_tools = self._renders_tools()
        end = self._end_token()
        own = tokenizer.eos_token_id
        self.end_token_id = end
        self.stop_token_ids: tuple[int, ...] = tuple(sorted({t for t in (end, own) if t is not None}))

    @property
    def notices(self) -> tuple[str, ...]:
        """What a user should know about this template."""
        if self.knows_tools:
            return ()
        return (
            "the chat template knows no tools; tool turns are written as <tool_call> text, in serving too",
        )

    @property
    def fingerprint(self) -> str:
        """Hash of the template, the special tokens and the tool format."""
        return fingerprint(self.tokenizer.chat_template, self._special, self.knows_tools, self.stop_token_ids)

    def prompt_text(self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] = ()) -> str:
        """Return the text that asks for the next assistant turn."""
        return self._render(messages, tools, ask=True)

    def prompt_ids(self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] = ()) -> list[int]:
        """Return the tokens that ask for the next assistant turn: what serving feeds the model."""
        text = self.prompt_text(messages, tools)
        return self._tokenize(text, self._spans(text, messages, tools))[0]

    def encode(
        self,
        messages: Sequence[Message],
        tools: Sequence[Mapping[str, Any]] = (),
        loss_on: LossOn = "assistant",
    ) -> EncodedChat:
        """Return tokens and labels of a whole conversation.

        Raises:
            TemplateError: The template cannot render it, or its turns cannot be told apart.
        """
        text = self._render(messages, tools, ask=False)
        spans = self._spans(text, messages, tools)
        input_ids, pieces = self._tokenize(text, spans)
        if loss_on == "all":
            return EncodedChat(input_ids, list(input_ids), [end for _, end in pieces])
        supervised = [(s, p) for s, p in zip(spans, pieces, strict=True) if messages[s.message].weight]
        if loss_on == "last_turn":
            supervised = [pair for pair in supervised if pair[0] is spans[-1]]
        labels = [IGNORED] * len(input_ids)
        for _, (start, end) in supervised:
            labels[start:end] = input_ids[start:end]
        return EncodedChat(input_ids, labels, [end for _, (_, end) in supervised])

    def parse_tool_calls(self, text: str) -> tuple[str, list[dict[str, Any]]]:
        """Split a generated answer into what is said and the calls it makes."""
        return parse_calls(text)

    def special_text_in(self, text: str) -> str | None:
        """Return a special token that stands in ``text`` as characters, where it would forge a turn."""
        return next((token for token in self._special if token and token in text), None)

    def _render(self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]], *, ask: bool) -> str:
        for message in messages:
            if token := self.special_text_in(message.content):
                raise TemplateError(
                    f"a {message.role} turn contains the text {token}, which the tokenizer reads as a mark",
                    cure="remove it from the text: it could forge a turn",
                )
        turns = list(messages) if self.knows_tools else as_text(messages, tools)
        try:
            text: str = self.tokenizer.apply_chat_template(
                [_as_dict(turn) for turn in turns],
                tools=[_as_tool(t) for t in tools] if tools and self.knows_tools else None,
                tokenize=False,
                add_generation_prompt=ask,
            )
        except (JinjaError, TypeError, KeyError, ValueError) as error:
            raise TemplateError(f"the chat template refuses this conversation: {error}") from error
        return text

    def _spans(
        self, text: str, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]]
    ) -> list[_Span]:
        """Return the assistant turns in ``text``, which renders ``messages``."""
        spans = []
        for index, message in enumerate(messages):
            if message.role != "assistant":
                continue
            prompt = self._render(messages[:index], tools, ask=True)
            upto = self._render(messages[: index + 1], tools, ask=False)
            if not upto.startswith(prompt):
                raise TemplateError("the template does not begin an answer with its own generation prompt")
            turn = upto[len(prompt) :].rstrip()
            if not text.startswith(prompt + turn):
                raise TemplateError(
                    "the template renders an earlier answer differently once later turns follow, so no mask is safe",
                    cure="train with data.chat_template: chatml, or cut the conversations to one answer",
                )
            is_ended = any(turn.endswith(token) for token in self._special if token)
            spans.append(_Span(len(prompt), len(prompt) + len(turn), is_ended, index))
        return spans

    def _tokenize(self, text: str, spans: Sequence[_Span]) -> tuple[list[int], list[tuple[int, int]]]:
        """Return the tokens of ``text`` and, for each span, its first token and the one after its last."""
        if not self._joins_pieces:
            return self._tokenize_whole(text, spans)
        ids: list[int] = []
        pieces = []
        position = 0
        for span in spans:
            ids += self._ids(text[position : span.start])
            first = len(ids)
            ids += self._ids(text[span.start : span.end])
            pieces.append((first, len(ids)))
            position = span.end
        return ids + self._ids(text[position:]), pieces

    def _tokenize_whole(self, text: str, spans: Sequence[_Span]) -> tuple[list[int], list[tuple[int, int]]]:
        """For tokenizers that put a space before every piece: one pass, then spans by character offsets."""
        encoded = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        starts = [start for start, _ in encoded["offset_mapping"]]
        ends = [end for _, end in encoded["offset_mapping"]]
        pieces = []
        for span in spans:
            first = next((i for i, end in enumerate(ends) if end > span.start), len(ends))
            last = next((i for i, start in enumerate(starts) if start >= span.end), len(starts))
            if first < len(starts) and starts[first] < span.start:
                raise TemplateError("a token spans the end of the prompt and the start of the answer")
            pieces.append((first, last))
        return list(encoded["input_ids"]), pieces

    def _ids(self, text: str) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"]) if text else []

    def _tokenizes_pieces_alike(self) -> bool:
        """Whether tokens of two pieces, joined, decode to the joined text (no space is put before a piece)."""
        decoded = self.tokenizer.decode(
            self._ids("one\n") + self._ids("two"), clean_up_tokenization_spaces=False
        )
        return bool(decoded == "one\ntwo")

    def _renders_tools(self) -> bool:
        """Whether the template itself writes tools, calls and results."""
        self.knows_tools = True
        call = {"name": "probe_name", "arguments": {"probe_argument": "probe_value"}}
        turns = [
            Message("user", "probe question"),
            Message("assistant", "", tool_calls=(call,)),
            Message("tool", "probe_result"),
            Message("assistant", "probe answer"),
        ]
        tool = {"name": "probe_tool", "description": "probe_description", "parameters": {"type": "object"}}
        try:
            text = self._render(turns, [tool], ask=False)
        except TemplateError:
            return False
        return all(
            f"probe_{word}" in text for word in ("name", "argument", "value", "result", "tool", "description")
        )

    def _end_token(self) -> int | None:
        """Return the token that ends an assistant turn, or None if the template writes none."""
        turns = [Message("user", "question"), Message("assistant", "answer")]
        try:
            text = self._render(turns, (), ask=False)
            spans = self._spans(text, turns, ())
        except TemplateError:
            return None
        ids, pieces = self._tokenize(text, spans)
        return ids[pieces[-1][1] - 1] if spans[-1].is_ended else None


def _template_text(tokenizer: Any, template: str | None, folder: Path | None) -> str:
    """Return the Jinja text that is asked for."""
    if template == "chatml":
        return resources.files("luthier.data").joinpath("chatml.jinja").read_text(encoding="utf-8")
    if template is not None:
        path = (folder or Path.cwd()) / template
        try:
            return path.read_text(encoding="utf-8")
        except OSError as error:
            raise TemplateError(
                f"{path} cannot be read: {error.strerror}",
                where="data.chat_template",
                cure="name a file, or chatml",
            ) from error
    own = tokenizer.chat_template
    if isinstance(own, dict):
        own = own.get("tool_use") or own.get("default")
    if not own:
        raise TemplateError("the tokenizer has no chat template", cure="set data.chat_template: chatml")
    return str(own)


def _as_dict(message: Message) -> dict[str, Any]:
    entry: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        entry["tool_calls"] = [
            {"type": "function", "function": {"name": c["name"], "arguments": _as_object(c["arguments"])}}
            for c in message.tool_calls
        ]
    return entry


def _as_object(arguments: Any) -> Any:
    """Return arguments as an object where they are JSON text, as templates expect them."""
    if not isinstance(arguments, str):
        return arguments
    try:
        return json.loads(arguments)
    except json.JSONDecodeError:
        return arguments


def _as_tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    return dict(tool) if "function" in tool else {"type": "function", "function": dict(tool)}
