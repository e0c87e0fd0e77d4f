"""Markdown to plain text: what a reader sees, without its marks."""

from __future__ import annotations

import re

_FENCE = re.compile(r"^ {0,3}(?:```|~~~)[^\n`]*\n(.*?)\n? {0,3}(?:```|~~~)[ \t]*$", re.DOTALL | re.MULTILINE)
_INLINE_CODE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_WIDE = "\u3000-\u9fff\uff00-\uffef"
"""Beside Chinese characters and punctuation a mark needs no blank."""
_RULES = (
    (re.compile(r"!\[([^\]\n]*)\]\([^()\n]*\)"), r"\1"),  # image
    (re.compile(r"\[([^\[\]\n]+)\]\([^()\n]*\)"), r"\1"),  # link
    (re.compile(r"^ {0,3}#{1,6}[ \t]+([^\n]*?)[ \t#]*$", re.MULTILINE), r"\1"),  # heading
    (re.compile(r"^ {0,3}(?:>[ \t]?)+", re.MULTILINE), ""),  # quotation
    (re.compile(r"^ {0,3}(?:[-*_][ \t]*){3,}$\n?", re.MULTILINE), ""),  # rule
    (
        re.compile(
            rf"(?:(?<![\w*])|(?<=[{_WIDE}]))(\*{{1,3}})(?=[^\s*])([^\n*]+)(?<=[^\s*])\1(?:(?![\w*])|(?=[{_WIDE}]))"
        ),
        r"\2",
    ),  # emphasis
    (re.compile(r"(?<![\w_])(_{1,3})(?=[^\s_])([^\n_]+)(?<=[^\s_])\1(?![\w_])"), r"\2"),
    (re.compile(r"~~(?=\S)([^\n~]+)(?<=\S)~~"), r"\1"),  # struck out
)
_MARK = re.compile(r"[`*_~#>\[-]")


def plain_of_markdown(text: str) -> str:
    """Return the text without the marks of Markdown; list marks stay, as in plain text, and so does code."""
    if not _MARK.search(text):
        return text
    code: list[str] = []

    def keep(match: re.Match[str]) -> str:
        code.append(match.group(1))
        return f"\0{len(code) - 1}\0"

    text = _INLINE_CODE.sub(keep, _FENCE.sub(keep, text.replace("\0", "")))
    for pattern, plain in _RULES:
        text = pattern.sub(plain, text)
    return re.sub("\0([0-9]+)\0", lambda match: code[int(match.group(1))], text)
