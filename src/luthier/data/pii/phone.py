"""Phone numbers: Chinese mobiles and land lines, E.164 numbers of every country, and common national forms."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from luthier.data.pii.context import before, has_cue, is_other_number
from luthier.data.pii.finding import Certainty, Finding

HINT = r"(?:[0-9０-９][^0-9０-９A-Za-z一-鿿]{0,2}){8}"
_GAP = "[ \u00a0.‐‑–-]"
_AFTER = r"(?![0-9]|[.,][0-9]{1,2}(?![0-9])|-[0-9]{1,5}(?![0-9]))"
_CUE = re.compile(
    r"电话|手机|联系|致电|拨打|热线|传真|微信|号码|号码是|\b(?:tel|phone|mobile|cell|call|fax|whatsapp|contact)",
    re.IGNORECASE,
)
_LETTERS_BEFORE = re.compile(r"[A-Za-z0-9_]+\Z")
_LONGEST_WORD = 8

_MOBILE = re.compile(
    rf"1(?:(?<![0-9].)|(?<=86.)|(?<=86[)）].))(?<![0-9]\..)"
    rf"(?:3[0-9]|4[014-9]|5[0-35-9]|6[2567]|7[0-8]|8[0-9]|9[0-35-9]){_GAP}?[0-9]{{4}}{_GAP}?[0-9]{{4}}{_AFTER}"
)
_CHINA_BEFORE = re.compile(
    r"(?:[(（](?:\+|00)?86[)）]|(?<![0-9+])\+86|(?<![0-9])0086|(?<![0-9A-Za-z])86|(?<![0-9])86(?=[ -]))[ -]?\Z"
)
_LAND_LINE = re.compile(
    rf"0(?<![0-9.-].)(?:10|2[0-57-9]|[3-9][0-9]{{2}})[)）]?{_GAP}?[2-8][0-9]{{2,3}}{_GAP}?[0-9]{{4}}"
    rf"(?:{_GAP}?(?:转|ext\.?|x|-){_GAP}?[0-9]{{1,5}})?{_AFTER}"
)
_SERVICE = re.compile(rf"[48](?<![0-9A-Za-z.-].)00{_GAP}?[0-9]{{3,4}}{_GAP}?[0-9]{{3,4}}{_AFTER}")
_INTERNATIONAL = re.compile(
    rf"\+(?<![0-9+].)[1-9][0-9]{{0,2}}(?:{_GAP}?[(（][0-9]{{1,4}}[)）])?(?:{_GAP}?[0-9]){{5,13}}{_AFTER}"
)
_NORTH_AMERICA = re.compile(
    r"[2-9](?<![0-9A-Za-z.].)[0-9]{2}(?:[)）] ?|[-. ])[2-9][0-9]{2}[-. ][0-9]{4}(?![0-9A-Za-z]|[-.][0-9])"
)
_NATIONAL = re.compile(
    r"0(?<![0-9A-Za-z.-].)(?:[789]0-[0-9]{4}-[0-9]{4}|1[016789]-[0-9]{3,4}-[0-9]{4}"  # Japan, Korea
    r"|7[0-9]{3} [0-9]{6}|7[0-9]{3} [0-9]{3} [0-9]{3}|20 [0-9]{4} [0-9]{4}|1[0-9]{3} [0-9]{6}"  # United Kingdom
    r")(?![0-9A-Za-z]|[-.][0-9])"
)

_COUNTRY_CODES = """
    1 7 20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 60 61 62 63 64 65
    66 81 82 84 86 90 91 92 93 94 95 98 211 212 213 216 218 220 221 222 223 224 225 226 227 228 229 230
    231 232 233 234 235 236 237 238 239 240 241 242 243 244 245 246 247 248 249 250 251 252 253 254 255
    256 257 258 260 261 262 263 264 265 266 267 268 269 290 291 297 298 299 350 351 352 353 354 355 356
    357 358 359 370 371 372 373 374 375 376 377 378 379 380 381 382 383 385 386 387 389 420 421 423 500
    501 502 503 504 505 506 507 508 509 590 591 592 593 594 595 596 597 598 599 670 672 673 674 675 676
    677 678 679 680 681 682 683 685 686 687 688 689 690 691 692 800 808 850 852 853 855 856 870 878 880
    881 882 883 886 888 960 961 962 963 964 965 966 967 968 970 971 972 973 974 975 976 977 979 992 993
    994 995 996 998
"""
COUNTRY_CODES = frozenset(_COUNTRY_CODES.split())
"""Country codes of E.164, as the ITU assigns them."""


def find(text: str) -> Iterator[Finding]:
    """Yield the phone numbers in a text."""
    for pattern, judge in _FORMS:
        for match in pattern.finditer(text):
            if judged := judge(text, match):
                start, certainty = judged
                yield Finding("phone", start, match.end(), text[start : match.end()], certainty)


Judged = tuple[int, Certainty] | None
"""Where the number begins, with what stands before the matched digits, and how certain it is."""


def _mobile(text: str, match: re.Match[str]) -> Judged:
    """Judge a Chinese mobile: letters may lead it (``wx138...``), a hash or an order number may not."""
    start, head = match.start(), before(text, match.start())
    if country := _CHINA_BEFORE.search(head):
        return start - len(country[0]), "pattern"
    if head[-1:].isdigit():
        return None
    is_part = text[match.end() : match.end() + 1] in _LATIN
    is_doubtful = (is_part or _is_glued(text, start)) and not has_cue(text, start, _CUE)
    return start, "uncertain" if is_doubtful or is_other_number(text, start, _CUE) else "pattern"


def _land_line(text: str, match: re.Match[str]) -> Judged:
    number = re.split("转|ext|x", match.group())[0]
    if len(_digits(number)) < 10:
        return None
    start = _with_bracket(text, match)
    is_doubtful = (match.group().isdigit() or _is_glued(text, start)) and not has_cue(text, start, _CUE)
    return start, "uncertain" if is_doubtful or is_other_number(text, start, _CUE) else "pattern"


def _service(text: str, match: re.Match[str]) -> Judged:
    """Judge a hot line: a company's, not a person's."""
    return (match.start(), "uncertain") if len(_digits(match.group())) == 10 else None


def _international(text: str, match: re.Match[str]) -> Judged:
    digits = _digits(match.group())
    has_country = any(digits[:length] in COUNTRY_CODES for length in (1, 2, 3))
    return (match.start(), "pattern") if has_country and 8 <= len(digits) <= 15 else None


def _north_america(text: str, match: re.Match[str]) -> Judged:
    start = _with_bracket(text, match)
    has_bracket = start < match.start()
    if not has_bracket and (match.group()[3] in ")）" or text[start - 1 : start] in ("-", "(")):
        if not (
            text[max(0, start - 2) : start] == "1-" and not text[max(0, start - 3) : start - 2].isalnum()
        ):
            return None
        start -= 2
    if match.group().startswith(("400", "800")):
        return None  # hot lines; see `_service`
    is_formed = has_bracket or "-" in match.group() or "." in match.group()
    is_doubtful = not is_formed and not has_cue(text, start, _CUE)
    return start, "uncertain" if is_doubtful or is_other_number(text, start, _CUE) else "pattern"


def _national(text: str, match: re.Match[str]) -> Judged:
    return match.start(), "uncertain" if is_other_number(text, match.start(), _CUE) else "pattern"


def _is_glued(text: str, start: int) -> bool:
    """Tell whether a number continues letters and digits that are no short word."""
    letters = _LETTERS_BEFORE.search(before(text, start))
    return letters is not None and (len(letters[0]) > _LONGEST_WORD or not letters[0].isalpha())


def _with_bracket(text: str, match: re.Match[str]) -> int:
    """Return where a number begins whose area code may stand in brackets."""
    has_bracket = text[max(0, match.start() - 1) : match.start()] in ("(", "（") and re.search(
        "[)）]", match.group()
    )
    return match.start() - 1 if has_bracket else match.start()


def _digits(number: str) -> str:
    return re.sub("[^0-9]", "", number)


_LATIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")
_FORMS: tuple[tuple[re.Pattern[str], Callable[[str, re.Match[str]], Judged]], ...] = (
    (_MOBILE, _mobile),
    (_LAND_LINE, _land_line),
    (_SERVICE, _service),
    (_INTERNATIONAL, _international),
    (_NORTH_AMERICA, _north_america),
    (_NATIONAL, _national),
)
