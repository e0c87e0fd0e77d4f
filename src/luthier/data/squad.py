"""SQuAD files: articles of paragraphs of questions, made into a row per question."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any


def is_squad(entries: Sequence[Any]) -> bool:
    """Return whether the entries of a file are articles with paragraphs."""
    return any(isinstance(entry, Mapping) and isinstance(entry.get("paragraphs"), list) for entry in entries)


def questions_of(articles: Sequence[Any]) -> Iterator[Any]:
    """Yield each question with its context and title; what has another form comes as it stands, to be named."""
    for article in articles:
        if not isinstance(article, Mapping) or not isinstance(article.get("paragraphs"), list):
            yield article
            continue
        above = {"title": article["title"]} if "title" in article else {}
        for paragraph in article["paragraphs"]:
            if not isinstance(paragraph, Mapping) or not isinstance(paragraph.get("qas"), list):
                yield paragraph
                continue
            context = {"context": paragraph["context"]} if "context" in paragraph else {}
            for question in paragraph["qas"]:
                yield {**above, **context, **question} if isinstance(question, Mapping) else question
