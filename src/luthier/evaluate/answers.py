"""Generated answers against references: exact match and ROUGE-L, English and Chinese."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from luthier.data.example import IGNORED
from luthier.data.render import ConversationError
from luthier.data.sample import Sample
from luthier.data.template import ChatTemplate

_CHINESE = re.compile(r"[㐀-䶿一-鿿豈-﫿]|[^\W_㐀-䶿一-鿿豈-﫿]+")


@dataclass(frozen=True)
class Question:
    """A held-out prompt and its reference answer.

    Args:
        place: Where the row stands.
        prompt: What a person reads: the last user turn.
        prompt_ids: What the models are given.
        reference: The answer of the row.
    """

    place: str
    prompt: str
    prompt_ids: list[int]
    reference: str


def choose_questions(
    samples: Sequence[Sample], template: ChatTemplate, *, count: int, max_tokens: int
) -> list[Question]:
    """Return questions spread evenly over the held-out rows.

    Args:
        samples: Held-out rows.
        template: Renders prompts, as serving does.
        count: Questions wanted; fewer where fewer rows fit.
        max_tokens: Longest prompt.
    """
    questions: list[Question] = []
    spread = sorted(range(len(samples)), key=lambda number: (number * 0.6180339887) % 1.0)
    for number in spread:
        if len(questions) == count:
            break
        if (question := _question(samples[number], template)) and len(question.prompt_ids) <= max_tokens:
            questions.append(question)
    return questions


def asked_by(
    questions: Sequence[Question], samples: Sequence[Sample], template: ChatTemplate
) -> list[Question]:
    """Return the same questions as another template and tokenizer ask them."""
    by_place = {sample.place: sample for sample in samples}
    again = [_question(by_place[question.place], template) for question in questions]
    return [
        question if other is None else replace(question, prompt_ids=other.prompt_ids)
        for question, other in zip(questions, again, strict=True)
    ]


def _question(sample: Sample, template: ChatTemplate) -> Question | None:
    """Return the question that the last assistant turn of a row answers; None if none can be asked."""
    turns = sample.messages
    last = max((n for n, turn in enumerate(turns) if turn.role == "assistant"), default=None)
    if last is None:
        return None
    try:
        chat = template.encode(turns[: last + 1], sample.tools, "last_turn")
        prompt_ids = template.prompt_ids(turns[:last], sample.tools)
    except ConversationError:
        return None
    # The answer as the template writes it, so that a tool call is compared with a tool call.
    reference = template.tokenizer.decode(
        [label for label in chat.labels if label != IGNORED], skip_special_tokens=True
    )
    asked = next((turn.content for turn in reversed(turns[:last]) if turn.role != "assistant"), "")
    return Question(sample.place, asked, prompt_ids, reference.strip())


def exact_match(answer: str, reference: str) -> float:
    """Return 1.0 if the two are equal but for case, punctuation at the ends, width and white space."""
    return float(folded(answer) == folded(reference))


def folded(text: str) -> str:
    """Return a text without case, width, white space at its ends and doubled, and punctuation at its ends."""
    words = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return words.strip(".。!！?？ ")


class _Words:
    """Words for ROUGE: runs of letters and digits; each Chinese character is a word."""

    def tokenize(self, text: str) -> list[str]:
        """Return the words of a text."""
        return words_of(text)


def words_of(text: str) -> list[str]:
    """Return the words of a text, without case and width: runs of letters and digits, single Chinese characters."""
    return _CHINESE.findall(unicodedata.normalize("NFKC", text).casefold())


def rouge_l(answer: str, reference: str) -> float:
    """Return the F-measure of ROUGE-L (C.-Y. Lin, 2004) from 0 to 1.

    As Google's ``rouge-score`` computes it; only the words are told apart so that Chinese has some.
    """
    scores: Any = _scorer().score(reference, answer)
    return float(scores["rougeL"].fmeasure)


@cache
def _scorer() -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(["rougeL"], tokenizer=_Words())
