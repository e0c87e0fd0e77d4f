"""Secrets: keys, tokens and passwords, through detect-secrets without its entropy plugins, and what those miss."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from luthier.core.optional import require
from luthier.data.pii.finding import Certainty, Finding

HINT = (
    r"(?i)-----BEGIN|PuTTY-User-Key|://[^\s/@]*:[^\s/@]+@|eyJ[a-z0-9_=-]+\.|_authToken|AccountKey=|T3BlbkFJ|xox[abposr]-|xapp-|hooks\.slack|xapp"
    r"|gh[pousr]_|github_pat_|gl(?:pat|dt|ft|soat|rt|cbt|imt|ptt|agent|oas)-|GR1348941|pypi-AgE|SG\.[a-z0-9_-]{22}\.|sq0csp-|[rs]k_live_"
    r"|(?:A3T[A-Z0-9]|ABIA|ACCA|AKIA|ASIA)[0-9A-Z]{16}|AIza|sk-|hf_|gsk_|LTAI|AKID|dop_v1_|dapi|npm_"
    r"|(?:AC|SK)[a-z0-9]{32}|[0-9]{8,10}:[0-9a-z_-]{35}|-us[0-9]|[MNO][a-z0-9_-]{23,25}\.|AKC[a-z0-9]{10}|AP[0-9A-F][a-z0-9]{8}"
    r"|(?:key|pwd|pw|pass|password|passwd|token|secret|contrase|apikey|auth|credential|softlayer|密码|口令|密钥)"
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
_HINT = re.compile(HINT)


def find(text: str) -> Iterator[Finding]:
    """Yield the secrets in a text; a value that only a word like ``password`` points at is uncertain.

    Raises:
        MissingDependencyError: detect-secrets is not installed.
    """
    for pattern, group in ((_PRIVATE_KEY, 0), (_TOKEN, 0), (_CHINESE_PASSWORD, 1)):
        certainty: Certainty = "uncertain" if group else "pattern"
        for match in pattern.finditer(text):
            yield Finding("secret", match.start(group), match.end(group), match[group], certainty)
    for line in re.finditer(r"[^\n\x00]+", text):
        if _HINT.search(line.group()):
            yield from _in_line(line.group(), line.start())


def _in_line(line: str, offset: int) -> Iterator[Finding]:
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
