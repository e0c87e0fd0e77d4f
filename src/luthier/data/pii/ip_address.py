"""Internet addresses, IPv4 and IPv6; those that name no one (private, loopback) are uncertain."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from luthier.data.pii.context import has_cue
from luthier.data.pii.finding import Certainty, Finding

_HEX, _COLON = "[0-9A-Fa-f０-９Ａ-Ｆａ-ｆ]", "[:：]"
HINT = (
    r"[0-9０-９][.．][0-9０-９]{1,3}[.．][0-9０-９]"
    rf"|{_COLON}{_COLON}|{_HEX}{_COLON}{_HEX}{{1,4}}{_COLON}{_HEX}"
)
_BYTE = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_V4 = re.compile(rf"[0-9](?<![0-9A-Za-z.].)(?<=(?=({_BYTE}(?:\.{_BYTE}){{3}})(?![0-9A-Za-z])).)")
_V6 = re.compile(
    r"[0-9A-Fa-f:](?<![0-9A-Za-z:.].)[0-9A-Fa-f:]*:[0-9A-Fa-f:]*(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3})?(%[A-Za-z0-9]+)?"
    r"(?![0-9A-Za-z:]|\.[0-9])"
)
_VERSION = re.compile(r"(?:版本|version|\bver|\bv|release|章|节|section|§)[ :：.是为]*\Z", re.IGNORECASE)


def find(text: str) -> Iterator[Finding]:
    """Yield the addresses in a text."""
    for match in _V4.finditer(text):
        start, address = match.start(), match[1]
        certainty = "uncertain" if has_cue(text, start, _VERSION) else _certainty(address)
        yield Finding("ip_address", start, start + len(address), address, certainty)
    if ":" not in text:
        return
    for match in _V6.finditer(text):
        address = match.group()
        if address.count(":") < 2:
            continue
        try:
            ipaddress.IPv6Address(address)
        except ValueError:
            continue
        yield Finding("ip_address", match.start(), match.end(), address, _certainty(address))


def _certainty(address: str) -> Certainty:
    return "pattern" if ipaddress.ip_address(address).is_global else "uncertain"
