"""E-mail addresses: found from their ``@``, which costs nothing where there is none."""

from __future__ import annotations

import re
from collections.abc import Iterator

from luthier.data.pii.finding import Certainty, Finding

HINT = "[@＠]"
_LOCAL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.!#$%&'*+/=?^_`{|}~-"
_LONGEST_LOCAL = 64
_DOMAIN = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+(?:xn--[A-Za-z0-9-]{2,58}[A-Za-z0-9]|[A-Za-z]{2,24})(?![A-Za-z0-9])"
)
_FILE_KINDS = frozenset(
    (
        "png",
        "jpg",
        "jpeg",
        "gif",
        "svg",
        "webp",
        "js",
        "ts",
        "css",
        "py",
        "json",
        "html",
        "md",
        "txt",
        "yaml",
        "yml",
    )
)
_RESERVED = re.compile(r"(?:^|\.)(?:example(?:\.(?:com|org|net))?|test|invalid|localhost|local)$")
_NOBODY = frozenset(("git", "noreply", "no-reply", "donotreply"))


def find(text: str) -> Iterator[Finding]:
    """Yield the addresses in a text; those of nobody (example.com, noreply) are uncertain."""
    at = text.find("@")
    while at >= 0:
        head = text[max(0, at - _LONGEST_LOCAL) : at]
        local = head[len(head.rstrip(_LOCAL)) :].lstrip(".!#$%&'*+/=?^`{|}~-").rstrip(".")
        domain = _DOMAIN.match(text, at + 1)
        if local and domain and text[at - 1] != "." and ".." not in local:
            name = domain.group().lower()
            if name.rpartition(".")[2] not in _FILE_KINDS:
                is_nobody = local.lower() in _NOBODY or _RESERVED.search(name)
                certainty: Certainty = "uncertain" if is_nobody else "pattern"
                start = at - len(local)
                yield Finding("email", start, domain.end(), text[start : domain.end()], certainty)
        at = text.find("@", at + 1)
