"""Postal addresses: Chinese ones from road and house number; English street lines, which are always uncertain."""

from __future__ import annotations

import re
from collections.abc import Iterator

from luthier.data.pii.finding import Certainty, Finding

HINT = (
    r"[路街道巷弄同条里村组屯庄园苑区镇乡段侧][东西南北中]?[0-9０-９一二三四五六七八九十百甲]"
    r"|[0-9０-９][A-ZＡ-Ｚ]? [A-ZＡ-Ｚ]"
)
_HAN = "一-鿿"
_NUMBER = "[0-9０-９一二三四五六七八九十百甲]"
_HOUSE = re.compile(
    rf"[路街道巷弄同条里村组屯庄园苑区镇乡段侧][东西南北中]?(?:{_NUMBER}{{1,3}}[段弄巷])?{_NUMBER}{{1,5}}"
    rf"(?:[-之–][0-9]{{1,4}})?号(?!线|文|令|公告|召|店|机|码|选手|元素|球|染|病)(?:院|大院)?"
    rf"(?:[^\x00\s，。；：,;:、!？?！]{{0,10}}?(?:附?{_NUMBER}{{1,4}}|[A-Za-z]{{1,2}}[0-9]{{0,3}})"
    rf"(?:号楼|号院|号|栋|幢|座|单元|层|楼|室|房|户))*"
)
_LONGEST_HEAD = 40
_STOP = re.compile(
    r"[\x00\s，。；：,;:、！？!?（）()“”\"'「」【】]"
    r"|[住家坐]在|住址|位于|地址[是为]?|寄[到给往]|送[到至往]|来自|搬[到至]|[去到至在是为往]"
)
_PLACE = re.compile(
    "北京|天津|上海|重庆|河北|山西|辽宁|吉林|黑龙江|江苏|浙江|安徽|福建|江西|山东|河南|湖北|湖南|广东|海南|四川|贵州|云南"
    "|陕西|甘肃|青海|台湾|内蒙古|广西|西藏|宁夏|新疆|香港|澳门"
)
_DISTRICT = re.compile(rf"[{_HAN}]{{2,}}?(?:省|市|区|县|州|盟|旗)")
_KINDS_OF_STREET = (
    "Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Dr|Court|Ct|Place|Pl|Square|Sq|Terrace|Way|Close"
    "|Crescent|Gardens|Parkway|Highway"
)
_STREET = re.compile(
    r"[1-9](?<![0-9A-Za-z./-].)[0-9]{0,4}[A-Z]? (?:(?:North|South|East|West|N|S|E|W)\.? )?"
    rf"(?:[A-Z][A-Za-z'’]{{1,20}} ){{1,4}}(?:{_KINDS_OF_STREET})(?![A-Za-z])\.?"
    r"(?:,? (?:Apt|Suite|Ste|Unit|Flat|#)\.? ?[0-9A-Za-z]{1,5})?"
    r"(?:,? [A-Z][A-Za-z .'’]{1,24}?,? (?:[A-Z]{2},? [0-9]{5}(?:-[0-9]{4})?|[A-Z]{1,2}[0-9][0-9A-Z]? ?[0-9][A-Z]{2})"
    r"(?![0-9A-Za-z]))?"
)


def find(text: str) -> Iterator[Finding]:
    """Yield the addresses in a text; a Chinese road and number without town or district is uncertain."""
    for match in _HOUSE.finditer(text):
        start = _start(text, match.start())
        head = text[start : match.start() + 1]
        if match.start() - start < 1:
            continue
        certainty: Certainty = "pattern" if _PLACE.match(head) or _DISTRICT.match(head) else "uncertain"
        yield Finding("address", start, match.end(), text[start : match.end()], certainty)
    for match in _STREET.finditer(text):
        yield Finding("address", match.start(), match.end(), match.group(), "uncertain")


def _start(text: str, road: int) -> int:
    """Return where an address begins whose road ends at a place: at a province, else after a stop or verb."""
    first = max(0, road - _LONGEST_HEAD)
    head = text[first:road]
    stops = [match.end() for match in re.finditer(r"[\x00，。；：,;:！？!?（）()\n]", head)]
    clause = stops[-1] if stops else 0
    if place := _PLACE.search(head, clause):
        return first + place.start()
    ends = [match.end() for match in _STOP.finditer(head)]
    return first + (ends[-1] if ends else 0)
