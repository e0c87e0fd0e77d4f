"""Turn HTML and Markdown into plain text; code between back quotes stays as it is."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from html.entities import html5
from typing import ClassVar, Literal

from luthier.data.clean.markdown import plain_of_markdown

Form = Literal["html", "markdown"]

_BLOCKS = (
    "address article aside blockquote body br caption center dd details dialog dir div dl dt fieldset figcaption "
    "figure footer form frameset h1 h2 h3 h4 h5 h6 head header hr html legend li main menu nav ol optgroup option p "
    "pre section select summary table tbody tfoot thead title tr ul"
)
_INLINE = (
    "a abbr acronym applet area audio b base basefont bdi bdo big button canvas cite code col colgroup data datalist "
    "del dfn em embed font frame i iframe img input ins kbd label link map mark meta meter nobr noframes noscript "
    "object output param picture progress q rp rt ruby s samp slot small source span strike strong sub sup svg td "
    "template textarea th time track tt u var video wbr"
)
_VALUE = r"""(?:"[^"]*"|'[^']*'|[^\s"'<>]+)"""
_ATTRIBUTES = rf"(?:\s+[A-Za-z_:@][^\s=<>/]*(?:\s*=\s*{_VALUE})?)*\s*/?"
_BLOCK = rf"</?(?:{_BLOCKS.replace(' ', '|')}){_ATTRIBUTES}>"
_UNSEEN = re.compile(
    r"<!--.*?-->|<(script|style)\b[^>]*>.*?</\1\s*>|<!doctype[^<>]*>", re.IGNORECASE | re.DOTALL
)
_BLOCK_TAGS = re.compile(rf"\s*{_BLOCK}(?:\s*{_BLOCK})*\s*", re.IGNORECASE)
_TAG = re.compile(rf"</?(?:{_INLINE.replace(' ', '|')}){_ATTRIBUTES}>", re.IGNORECASE)
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_CODE = re.compile(r"(```.*?```|`[^`\n]+`)", re.DOTALL)


@dataclass(frozen=True)
class StripMarkup:
    """Turn markup into the text that a reader sees.

    Only the elements of HTML are tags: ``a < b``, ``List<String>`` and ``<|im_end|>`` stay.

    Args:
        form: ``markdown`` removes HTML and the marks of Markdown; the text of code stays, without its fence.
    """

    name: ClassVar[str] = "markup"
    form: Form = "html"

    def __call__(self, text: str) -> str:
        """Return the text without markup."""
        if "<" in text or "&" in text:
            parts = _CODE.split(text)
            parts[::2] = map(_plain_of_html, parts[::2])
            text = "".join(parts)
        return plain_of_markdown(text) if self.form == "markdown" else text


def _plain_of_html(text: str) -> str:
    text = _TAG.sub("", _BLOCK_TAGS.sub("\n", _UNSEEN.sub("", text)))
    text = _ENTITY.sub(_character, text)
    # An escaped tag is text about tags. Where it would become one, the escapes stay: a second cleaning would take it.
    plain = _MARKING_ENTITY.sub(lambda match: html.unescape(match.group()), text)
    return text if _is_markup(plain) else plain


_MARKING_ENTITY = re.compile(r"&(?:lt|gt|amp|LT|GT|AMP|#0*(?:38|60|62)|#[xX]0*(?:26|3[cCeE]));")


def _character(match: re.Match[str]) -> str:
    entity = match.group()
    is_named = not entity.startswith("&#")
    if _MARKING_ENTITY.fullmatch(entity) or (is_named and entity[1:] not in html5):
        return entity
    character = html.unescape(entity)
    return entity if character in ("", "`", "<", ">", "&") else character


def _is_markup(text: str) -> bool:
    has_entity = any(
        _character(match) != match.group() or _MARKING_ENTITY.fullmatch(match.group())
        for match in _ENTITY.finditer(text)
    )
    return has_entity or any(pattern.search(text) for pattern in (_TAG, _BLOCK_TAGS, _UNSEEN))
