"""Rows with planted near duplicates, made of real texts, and what an engine found of them."""

from __future__ import annotations

import csv
import json
import random
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
NGRAM = 3
_WORD_EDITS = ("replace", "delete", "insert")


@dataclass
class Planted:
    """A file of rows ``{"id", "text"}`` and the pairs that were planted in it.

    Args:
        file: JSONL.
        pairs: Ids of a text and its edited copy.
        num_rows: Of the file.
    """

    file: Path
    pairs: list[tuple[int, int]]
    num_rows: int


def make_planted(folder: Path, language: str, rows: int, share: float) -> Planted:
    """Make rows, or find those that were made before.

    Args:
        folder: Where they are kept.
        language: english, chinese, or both.
        rows: How many, copies included.
        share: Share of the rows that are edited copies of others.
    """
    file = folder / f"{language}-{rows}-{share}.jsonl"
    pairs_file = file.with_suffix(".pairs.json")
    if not pairs_file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        pairs_file.write_text(json.dumps(_write(file, language, rows, share)))
    return Planted(file, [tuple(pair) for pair in json.loads(pairs_file.read_text())], rows)


def score(planted: Planted, kept: set[int], threshold: float) -> dict[str, float]:
    """Return how well an engine did that kept these ids.

    Recall: of the planted pairs at or above the threshold, those of which not both rows are kept.
    Precision: of the rows left out, those that are truly like another row, planted or not.
    """
    texts = {row["id"]: row["text"] for row in map(json.loads, planted.file.open(encoding="utf-8"))}
    grams = {number: ngrams(text) for number, text in texts.items()}
    wanted = [pair for pair in planted.pairs if jaccard(grams[pair[0]], grams[pair[1]]) >= threshold]
    found = sum(not (one in kept and other in kept) for one, other in wanted)
    left_out = texts.keys() - kept
    true = sum(_has_duplicate(number, grams, threshold) for number in left_out)
    return {
        "pairs": len(wanted),
        "left_out": len(left_out),
        "recall": found / len(wanted),
        "precision": true / max(1, len(left_out)),
    }


def ngrams(text: str) -> frozenset[str]:
    """Return the character n-grams of a text; case, width and white space make no difference."""
    folded = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return frozenset(folded[place : place + NGRAM] for place in range(max(1, len(folded) - NGRAM + 1)))


def jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    """Return the Jaccard similarity of two sets."""
    return len(one & other) / len(one | other)


_postings: dict[int, dict[str, list[int]]] = {}


def _has_duplicate(number: int, grams: dict[int, frozenset[str]], threshold: float) -> bool:
    """Compare a row with all others: those that share n-grams are found by an index of them."""
    if id(grams) not in _postings:
        index: dict[str, list[int]] = defaultdict(list)
        for other, parts in grams.items():
            for part in parts:
                index[part].append(other)
        _postings.clear()
        _postings[id(grams)] = index
    index = _postings[id(grams)]
    mine = grams[number]
    # A row at the threshold has at least this share of my n-grams, so it stands under one of the rarest of the rest.
    rarest = sorted(mine, key=lambda part: len(index[part]))
    looked_at = rarest[: len(mine) - int(threshold * len(mine)) + 1]
    candidates = Counter(other for part in looked_at for other in index[part])
    return any(other != number and jaccard(mine, grams[other]) >= threshold for other in candidates)


def _write(file: Path, language: str, rows: int, share: float) -> list[tuple[int, int]]:
    generator = random.Random(f"{language}-{rows}")
    num_copies = round(rows * share)
    originals = _originals(generator, language, rows - num_copies)
    copied = generator.sample(range(len(originals)), num_copies)
    words = [word for text in originals[:2000] for word in _words(text)]
    texts = originals + [_edited(generator, originals[number], words) for number in copied]
    order = list(range(rows))
    generator.shuffle(order)
    place = {old: new for new, old in enumerate(order)}
    with file.open("w", encoding="utf-8") as output:
        for new, old in enumerate(order):
            output.write(json.dumps({"id": new, "text": texts[old]}, ensure_ascii=False) + "\n")
    return [(place[old], place[len(originals) + copy]) for copy, old in enumerate(copied)]


def _originals(generator: random.Random, language: str, count: int) -> list[str]:
    """Return distinct short texts: real ones as they are, or clauses of real ones where more are asked for."""
    languages = ("english", "chinese") if language == "both" else (language,)
    result: list[str] = []
    for number, name in enumerate(languages):
        wanted = count // len(languages) + (number < count % len(languages))
        pool = [text for text in dict.fromkeys(_texts(name)) if len(text) >= 40]
        generator.shuffle(pool)
        if wanted > len(pool):
            clauses = sorted(
                {part.strip() for text in pool for part in re.split(r"(?<=[.!?;,。！？；，])", text)}
            )
            clauses = [clause for clause in clauses if len(clause) >= 8]
            made: dict[str, None] = {}
            between = " " if name == "english" else ""
            while len(made) < wanted:
                made[between.join(generator.choices(clauses, k=generator.randint(3, 5)))] = None
            pool = list(made)
        result += pool[:wanted]
    return result


def _texts(language: str) -> Iterator[str]:
    """Yield the real texts of a language."""
    if language == "english":
        with (DATA / "classification" / "davidson_raters.csv").open(encoding="utf-8", newline="") as file:
            yield from (row["tweet"] for row in csv.DictReader(file))
        for name in ("train", "test"):
            for line in (DATA / "math" / f"gsm8k_{name}.jsonl").open(encoding="utf-8"):
                yield json.loads(line)["question"]
        return
    for name in ("train", "dev", "test"):
        path = DATA / "classification" / f"coldataset_zh_{name}.csv"
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from (row["TEXT"] for row in csv.DictReader(file))


def _words(text: str) -> list[str]:
    return text.split() if " " in text else list(text)


def _edited(generator: random.Random, text: str, words: list[str]) -> str:
    """Return a copy with edits, few or many: words or characters replaced, deleted and inserted."""
    between = " " if " " in text and generator.random() < 0.7 else ""
    parts = text.split(" ") if between else list(text)
    num_edits = max(1, round(len(parts) * generator.choice((0.01, 0.03, 0.05, 0.08))))
    for _ in range(num_edits):
        place = generator.randrange(len(parts))
        word = generator.choice(words)
        new = word if between else word[0]
        edit = generator.choice(_WORD_EDITS)
        if edit == "delete" and len(parts) > 3:
            del parts[place]
        elif edit == "insert":
            parts.insert(place, new)
        else:
            parts[place] = new
    return between.join(parts)
