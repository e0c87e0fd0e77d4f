"""Repair GBK mojibake, which ftfy does not know: UTF-8 that was read as GBK, and GBK that was read as Latin-1."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar

from luthier.data.clean.common_hanzi import EVERYDAY, FIRST_LEVEL, MOST_FREQUENT

_LOST = "\N{REPLACEMENT CHARACTER}"


def _beginnings() -> str:
    """Return the characters that GBK makes of the first two bytes of a Chinese character in UTF-8."""
    codes = (bytes([lead, trail]) for lead in range(0xE2, 0xF1) for trail in range(0x80, 0xC0))
    return "".join(code.decode("gb18030", "ignore") for code in codes)


_BEGINNING = re.compile(f"[{re.escape(_beginnings())}]")
_HANGUL = "".join(bytes([a, b]).decode("euc_kr") for a in range(0xB0, 0xC9) for b in range(0xA1, 0xFF))
_EAST_ASIAN = re.compile(f"[\u3041-\u30ff\u4e00-\u9fff{_HANGUL}]")
_HANZI = re.compile("[\u4e00-\u9fff]")
_READABLE = re.compile(
    "[\\x00-\\x7f\u00b7\u02c7\u0391-\u03c9\u2010-\u2026\u2030\u203b\u2160-\u2179\u2190-\u27bf\ufe0f\u3000-\u30ff\u4e00-\u9fff"
    f"{_HANGUL}\uff00-\uffef\ufffd\U0001f000-\U0001faff]*"
)
_ONE_BYTE = {"€": b"\x80", _LOST: b"\xff"}
_DAMAGED = re.compile(rb"\xff[\x80-\xbf]{2}|[\xe1-\xef](?:\xff[\x80-\xbf\xff]|[\x80-\xbf][\xff?])")
"""A character of three bytes of which one is no more known, 0xff or a question mark: it is lost."""

_PUNCTUATION = "\u2013\u2014\u2018\u2019\u201c\u201d\u2026"
_PUNCTUATED = re.compile(f"[\\x00-\\x7f{_LOST}]*[{_PUNCTUATION}][\\x00-\\x7f{_LOST}{_PUNCTUATION}]*")
_LATIN_RUN = re.compile("[\u00a1-\u00fe]{4,}")
_LATIN_CODE = {
    character: bytes([code])
    for code in range(0x80, 0xA0)
    if (character := bytes([code]).decode("cp1252", "ignore"))
}
_HIGH_RUN = re.compile(
    f"(?:[\\x80-\xff{''.join(_LATIN_CODE)}][\\x40-\\x7e\\x80-\xff{''.join(_LATIN_CODE)}])+"
)
_LATIN_SYMBOL = re.compile("[\u00a1-\u00bf]")
_UTF8_SEQUENCE = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")


@dataclass(frozen=True)
class RepairGbk:
    """Give text back that passed through the wrong one of GBK, UTF-8 and Latin-1.

    Both repairs are guarded: they are made only where the result is everyday Chinese (or Japanese, or
    Korean) and the text before was not. Traditional characters that were read as Latin-1 are left as they are.
    """

    name: ClassVar[str] = "gbk_mojibake"
    hint: ClassVar[str] = f"{_BEGINNING.pattern}|{_LATIN_RUN.pattern}"
    """RE2 pattern of all texts that it changes; see `Rewriter`."""

    def __call__(self, text: str) -> str:
        """Return the text repaired, or as it was."""
        if text.isascii():
            return text
        if _BEGINNING.search(text):
            text = "\n".join(map(_utf8_read_as_gbk, text.split("\n")))
        if _LATIN_RUN.search(text):
            text = "\n".join(map(_gbk_read_as_latin, text.split("\n")))
        return text


def _utf8_read_as_gbk(line: str) -> str:
    """Undo ``"你好".encode("utf-8").decode("gbk")``, which is ``浣犲ソ``."""
    repaired = _decoded_runs(line, _is_gain)
    # Where a part of a line is mojibake, so is what alone would be too short to tell.
    return line if repaired == line else _decoded_runs(repaired, _is_readable)


def _decoded_runs(line: str, is_better: Callable[[str, str], bool]) -> str:
    parts: list[str] = []
    done = 0
    for match in _BEGINNING.finditer(line):
        if match.start() >= done and (found := _decoded_run(line, match.start(), is_better)):
            parts += [line[done : match.start()], found[0]]
            done = found[1]
    return "".join([*parts, line[done:]]) if parts else line


def _decoded_run(line: str, start: int, is_better: Callable[[str, str], bool]) -> tuple[str, int] | None:
    """Return the text that a run of characters was before, and where the run ends; None where it was nothing."""
    data = bytearray()
    ends = {0: start}  # where the characters end, by the number of bytes
    for place in range(start, len(line)):
        code = _gbk_code(line[place])
        if not code:
            break
        data += code
        ends[len(data)] = place + 1
    text, num_bytes = _longest_text(_DAMAGED.sub(_LOST.encode(), data), ends)
    end = ends[num_bytes]
    return (text, end) if is_better(line[start:end], text) else None


def _gbk_code(character: str) -> bytes:
    """Return the bytes that a character was read from, none where GBK reads no such character."""
    if character in _ONE_BYTE:
        return _ONE_BYTE[character]
    code = character.encode("gb18030", "ignore")
    return code if len(code) <= 2 else b""


def _longest_text(data: bytes | bytearray, ends: dict[int, int]) -> tuple[str, int]:
    """Return the longest UTF-8 text that the bytes begin with and that ends where a character ends."""
    try:
        return data.decode(), len(data)
    except UnicodeDecodeError as error:
        text = data[: error.start].decode()
    num_bytes = len(text.encode())
    while num_bytes not in ends:
        num_bytes -= len(text[-1].encode())
        text = text[:-1]
    return text, num_bytes


def _is_gain(before: str, after: str) -> bool:
    if _PUNCTUATED.fullmatch(after):
        return True  # 鈥 and what follows was a curly quote, a dash or an ellipsis of English text
    num_known = len(_EAST_ASIAN.findall(after))
    if num_known < max(2, after.count(_LOST)) or not _is_readable(before, after):
        return False
    hanzi = _HANZI.findall(after)
    is_everyday = not hanzi or _share(hanzi, EVERYDAY) >= 0.8
    return is_everyday and _share(_HANZI.findall(before), FIRST_LEVEL) <= 0.6


def _is_readable(before: str, after: str) -> bool:
    return bool(after) and after != before and bool(_READABLE.fullmatch(after))


def _gbk_read_as_latin(line: str) -> str:
    """Undo ``"你好".encode("gbk").decode("latin-1")``, which is ``ÄãºÃ``."""
    runs = [run for run in _LATIN_RUN.findall(line) if _is_chinese_in_latin(run)]
    if not runs or not _is_everyday("".join(runs)) or _is_utf8_in_latin(line):
        return line
    return _HIGH_RUN.sub(lambda match: _from_latin(match.group()), line)


def _is_chinese_in_latin(run: str) -> bool:
    """Tell whether a run of letters can be Chinese: a row of dots is not."""
    hanzi = _HANZI.findall(run.encode("latin-1").decode("gbk", "ignore"))
    return len(set(run)) > 2 and (not hanzi or _share(hanzi, FIRST_LEVEL) >= 0.85)


def _is_everyday(run: str) -> bool:
    """Tell whether the runs of a line are Chinese: words of other languages decode to rare characters."""
    hanzi = _HANZI.findall(run.encode("latin-1").decode("gbk", "ignore"))
    share = _share(hanzi, MOST_FREQUENT)
    has_symbols = 0 < len(_LATIN_SYMBOL.findall(run)) < 0.75 * len(run)
    if len(hanzi) >= 6:
        return share >= (0.4 if has_symbols else 0.6)
    return has_symbols and len(hanzi) >= 2 and share >= 0.3


def _is_utf8_in_latin(line: str) -> bool:
    """Tell whether a line is rather UTF-8 that was read as Latin-1, which ftfy repairs."""
    data = _latin_bytes(line)
    num_in_sequences = sum(map(len, _UTF8_SEQUENCE.findall(data)))
    return num_in_sequences > 0.7 * sum(byte >= 0x80 for byte in data)


def _latin_bytes(text: str) -> bytes:
    return b"".join(_LATIN_CODE.get(letter) or letter.encode("latin-1", "ignore") for letter in text)


def _from_latin(run: str) -> str:
    try:
        return _latin_bytes(run).decode("gbk")
    except UnicodeDecodeError:
        return run


def _share(characters: Iterable[str], known: frozenset[str]) -> float:
    marks = [character in known for character in characters]
    return sum(marks) / len(marks) if marks else 0.0
