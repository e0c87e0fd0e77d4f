"""What stands before a number: words that say what it is, or that it is something else."""

from __future__ import annotations

import re

_WINDOW = 24

_NEAR = 10
_OTHER_NUMBER = re.compile(
    r"订单|单号|流水|编号|运单|快递|物流|发票|合同|批次|序列|条码|时间戳|交易号|凭证|货号|工号|学号|版本|金额|人民币"
    r"|\b(?:order|invoice|tracking|serial|transaction|reference|ref|sku|batch|timestamp|unix|version|isbn|imei|barcode"
    r"|amount|price)\b",
    re.IGNORECASE,
)


def before(text: str, start: int, length: int = _WINDOW) -> str:
    """Return the characters before a place, within the same text of a joined one."""
    return text[max(0, start - length) : start].rpartition("\x00")[2]


def is_other_number(text: str, start: int, cue: re.Pattern[str]) -> bool:
    """Tell whether the words before a number say that it counts something else: an order, a time, a parcel.

    Args:
        text: Joined texts.
        start: Where the number begins.
        cue: Words for what it is taken to be; the word next to the number decides.
    """
    words = before(text, start)
    other = _last_end(_OTHER_NUMBER, words)
    return len(words) - other <= _NEAR and other > _last_end(cue, words)


def has_cue(text: str, start: int, cue: re.Pattern[str], length: int = _WINDOW) -> bool:
    """Tell whether a cue stands before a place."""
    return cue.search(before(text, start, length)) is not None


def _last_end(pattern: re.Pattern[str], words: str) -> int:
    """Return where the last match ends; without one a place far before all words."""
    ends = [match.end() for match in pattern.finditer(words)]
    return ends[-1] if ends else -_WINDOW
