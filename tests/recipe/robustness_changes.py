"""Changes of the keys of `evaluate.robustness`: what is changed, and what both recipes have."""

from __future__ import annotations

_P = "evaluate.robustness."
_CLASSIFIER = (
    "objective={name: classification}",
    "data.train=[{path: labelled.jsonl, schema: classification}]",
)


def _asked(section: str) -> tuple[str, ...]:
    return (*_CLASSIFIER, f"evaluate={{bootstrap_samples: 100, robustness: {{{section}}}}}")


_TYPING = _asked("attacks: [typing], num_rows: 8, queries: 20")
_SYNONYMS = _asked("attacks: [synonyms], num_rows: 8, queries: 20, synonym_file: words.txt")
_PGD = _asked("attacks: [pgd], num_rows: 8, epsilon: 0.3, pgd_steps: 3")

ROBUSTNESS_CHANGES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    f"{_P}attacks": ((f"{_P}attacks=[ocr]",), _TYPING),
    f"{_P}num_rows": ((f"{_P}num_rows=4",), _TYPING),
    f"{_P}queries": ((f"{_P}queries=3",), _TYPING),
    f"{_P}max_edits": ((f"{_P}max_edits=1",), _TYPING),
    f"{_P}min_similarity": ((f"{_P}min_similarity=0.9999999", f"{_P}embedder=encoder"), _TYPING),
    f"{_P}embedder": (
        (f"{_P}embedder=other_encoder",),
        _asked("attacks: [typing], num_rows: 8, queries: 20, min_similarity: 0.99, embedder: encoder"),
    ),
    f"{_P}max_edit_distance": ((f"{_P}max_edit_distance=0.01",), _TYPING),
    f"{_P}synonym_file": ((f"{_P}synonym_file=other_words.txt",), _SYNONYMS),
    f"{_P}wordnet": (
        (f"{_P}wordnet=other_wordnet",),
        _asked("attacks: [synonyms], num_rows: 8, queries: 20, wordnet: wordnet"),
    ),
    f"{_P}norm": ((f"{_P}norm=linf",), _PGD),
    f"{_P}epsilon": ((f"{_P}epsilon=0.001",), _PGD),
    f"{_P}pgd_steps": ((f"{_P}pgd_steps=5",), _PGD),
    f"{_P}pgd_step_size": ((f"{_P}pgd_step_size=0.001",), _PGD),
}
"""By key: what the second recipe has in addition, and what both have. Observed is everything but the settings."""
