"""Secrets: keys, tokens and passwords, through detect-secrets without its entropy plugins, and what those miss."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pyarrow
import pyarrow.compute

from luthier.core.optional import require
from luthier.data.pii.finding import Certainty, Finding

_WORDS = (
    r"(?:api|auth|service|account|db|database|priv|private|client)_?key|(?:db|database|key)_?pass"
    r"|passw|pwd|secret|contrase"
)
HINT = (
    r"(?i)-----BEGIN|://[^\s/@]*:[^\s/@]+@|eyJ[a-z0-9_=-]+\.|_authToken|AccountKey=|T3BlbkFJ|xox[abposr]-|xapp-|hooks\.slack"
    r"|gh[pousr]_|github_pat_|gl(?:pat|dt|ft|soat|rt|cbt|imt|ptt|agent|oas)-|GR1348941|pypi-AgE|SG\.[a-z0-9_-]|sq0csp-"
    r"|[rs]k_live_|A3T[A-Z0-9]{4}|ABIA[0-9A-Z]|ACCA[0-9A-Z]{4}|AKIA|ASIA[0-9A-Z]{4}|AIza|ya29\.|sk-[0-9a-z-]{8}|hf_|gsk_"
    r"|LTAI|AKID|dop_v1_|dapi[0-9a-f]{4}|npm_|(?:AC|SK)[a-z0-9]{8}|[0-9]:[0-9a-z_-]{8}|-us[0-9]"
    r"|[a-z0-9_-]\.[a-z0-9_-]{6}\.[a-z0-9_-]{8}|AKC[a-z0-9]{4}|AP[0-9A-F][a-z0-9]{4}|aws|api.softlayer"
    r"|(?:key|pwd|pw|pass|password|token)[\"'\]]{0,2} *[:=> ][:=> ]*[\"']?[0-9a-z_-]{8}"
    rf"|(?:{_WORDS})[^\n]*[\"'`]|[\"'`][^\n]*(?:{_WORDS})|(?:密码|口令|密钥)(?:是|为|：|:|=)"
)
"""Every pattern of the plugins needs one of these."""

_PRIVATE_KEY = re.compile(
    r"-----BEGIN ([A-Z0-9 ]*)PRIVATE KEY( BLOCK|)-----"
    r"(?:[^\x00]*?-----END \1PRIVATE KEY\2-----|[A-Za-z0-9+/=\s\\:,-]{40,})"
)
_TOKEN = re.compile(
    r"(?<![0-9A-Za-z_-])(?:"
    r"AIza[0-9A-Za-z_-]{35}|ya29\.[0-9A-Za-z_-]{20,}"  # Google
    r"|sk-ant-[0-9A-Za-z_-]{20,}|sk-(?:proj|svcacct|admin|or-v1)-[0-9A-Za-z_-]{20,}|sk-[0-9A-Za-z]{32,64}"
    r"|hf_[0-9A-Za-z]{30,}|gsk_[0-9A-Za-z]{40,}|github_pat_[0-9A-Za-z_]{40,}|npm_[0-9A-Za-z]{36}"
    r"|LTAI[0-9A-Za-z]{12,26}|AKID[0-9A-Za-z]{28,36}"  # Alibaba Cloud, Tencent Cloud
    r"|dop_v1_[0-9a-f]{64}|dapi[0-9a-f]{32}|xapp-[0-9]-[0-9A-Za-z-]{20,}"  # DigitalOcean, Databricks, Slack
    r")(?![0-9A-Za-z_-])"
)
_LOOSE = frozenset(("Secret Keyword", "Artifactory Credentials", "Mailchimp Access Key"))
_LEFT_OUT = frozenset(
    ("Base64 High Entropy String", "Hex High Entropy String", "Public IP (ipv4)", "Private Key")
)
_CHINESE_PASSWORD = re.compile(r"(?:密码|口令|密钥)(?:是|为|：|:|=)\s*([!-~]{6,64})")


def find(text: str) -> Iterator[Finding]:
    """Yield the secrets in a text; a value that only a word like ``password`` points at is uncertain.

    Raises:
        MissingDependencyError: detect-secrets is not installed.
    """
    if "-----BEGIN" in text:
        for match in _PRIVATE_KEY.finditer(text):
            yield Finding("secret", match.start(), match.end(), match.group(), "pattern")
    lines = text.replace("\x00", "\n").split("\n")
    place = 0
    for line, is_worth in zip(lines, _worth_looking(lines), strict=True):
        if is_worth:
            yield from _in_line(line, place)
        place += len(line) + 1


def _worth_looking(texts: list[str]) -> list[bool]:
    """Return for each text whether a plugin can find something in it; the plugins are slow, this is not."""
    encoded = pyarrow.array([text.encode("utf-8", "replace") for text in texts], pyarrow.binary())
    is_worth: list[bool] = pyarrow.compute.match_substring_regex(encoded, HINT).to_pylist()
    return is_worth


def _in_line(line: str, offset: int) -> Iterator[Finding]:
    for match in _TOKEN.finditer(line):
        yield Finding("secret", offset + match.start(), offset + match.end(), match.group(), "pattern")
    for match in _CHINESE_PASSWORD.finditer(line):
        yield Finding("secret", offset + match.start(1), offset + match.end(1), match[1], "uncertain")
    for plugin in _plugins():
        certainty: Certainty = "uncertain" if plugin.secret_type in _LOOSE else "pattern"
        for start, end in _places(plugin, line):
            yield Finding("secret", offset + start, offset + end, line[start:end], certainty)


def _places(plugin: Any, line: str) -> Iterator[tuple[int, int]]:
    """Yield where a plugin sees secrets.

    A plugin gives the first group of its pattern, which may be no more than a token's prefix (``ghp``):
    where a pattern has groups, the match is looked at instead, and the group taken where it ends the match.
    """
    values = set(plugin.analyze_string(line))
    patterns = getattr(plugin, "denylist", ()) if values else ()
    if any(pattern.groups for pattern in patterns):
        for pattern in patterns:
            for match in pattern.finditer(line):
                is_value = (
                    pattern.groups and match.start(1) > match.start() and match.end(1) >= match.end() - 1
                )
                yield match.span(1) if is_value else match.span()
        return
    for value in filter(None, values):
        place = line.find(value)
        while place >= 0:
            yield place, place + len(value)
            place = line.find(value, place + len(value))


@cache
def _plugins() -> tuple[Any, ...]:
    util = require("detect_secrets.core.plugins.util", extra="pii", purpose="finding secrets")
    classes = util.get_mapping_from_secret_type_to_class()
    return tuple(plugin() for secret_type, plugin in sorted(classes.items()) if secret_type not in _LEFT_OUT)
