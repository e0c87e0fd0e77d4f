"""What a chat model was asked for, without what it says around it."""

from __future__ import annotations

import re

_PREAMBLE = re.compile(
    r"\A\s*(?:sure|certainly|of course|here(?:'s| is| are)|paraphrase|rewritten|translation|"
    r"好的|当然|改写|翻译|以下是)[^\n:：]{0,80}[:：]\s*",
    re.IGNORECASE,
)
_QUOTES = (('"', '"'), ("“", "”"), ("'", "'"), ("「", "」"), ("《", "》"))


def bare_answer(answer: str, asked: str) -> str:
    """Return an answer without preamble, remarks behind it and quotes around it.

    Args:
        answer: Of the model.
        asked: The text it was to rewrite; the answer has no more paragraphs than that.
    """
    paragraphs = _PREAMBLE.sub("", answer).strip().split("\n\n")
    text = "\n\n".join(paragraphs[: asked.strip().count("\n\n") + 1]).strip()
    for opening, closing in _QUOTES:
        if len(text) > 2 and text.startswith(opening) and text.endswith(closing):
            inner = text[1:-1]
            if opening not in inner and closing not in inner:
                return inner.strip()
    return text
