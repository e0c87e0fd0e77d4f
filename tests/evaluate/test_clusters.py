"""Intervals over clusters cover what they claim where rows share a source, and those over rows do not."""

from __future__ import annotations

import numpy as np
import pytest

from luthier.data.example import Example
from luthier.data.sample import Sample
from luthier.evaluate.clusters import clusters_of, sum_by_cluster
from luthier.evaluate.statistics import Resampling, ratio_interval


def test_what_rows_share_is_their_group_or_their_context() -> None:
    rows = [
        Sample("a.jsonl", 1, text="x", group="anna"),
        Sample("a.jsonl", 2, text="y", group="anna"),
        Sample("a.jsonl", 3, question="?", context="a paragraph"),
        Sample("a.jsonl", 4, question="!", context="a paragraph"),
        Sample("a.jsonl", 5, text="z"),
    ]
    assert clusters_of(rows, rows) == ["anna", "anna", "a paragraph", "a paragraph", rows[4].place]
    some = [rows[0], rows[2], rows[4]]
    assert clusters_of(some, rows) is None


def test_blocks_of_one_document_are_no_draws_of_their_own() -> None:
    documents = [Sample("a.txt", row, text="x") for row in (1, 2)]
    ids = np.arange(5, dtype=np.int32)
    blocks = [Example(ids, ids, "a.txt", row) for row in (1, 1, 1, 2)]
    assert clusters_of(blocks, documents) == ["a.txt, row 1"] * 3 + ["a.txt, row 2"]
    assert clusters_of(blocks[2:], documents) is None


def test_sums_of_each_cluster_in_their_order() -> None:
    rows = np.array([[1.0, 2.0, 4.0, 8.0], [1.0, 1.0, 1.0, 1.0]])
    assert sum_by_cluster(rows, ["b", "a", "b", "a"]).tolist() == [[5.0, 10.0], [2.0, 2.0]]


def test_as_many_clusters_as_rows() -> None:
    with pytest.raises(ValueError, match="3 rows have 2 clusters"):
        sum_by_cluster(np.ones((1, 3)), [1, 2])


def test_coverage_where_rows_share_a_source() -> None:
    """40 paragraphs with 8 questions each, whose difficulty is the paragraph's: 95 % intervals in 300 draws."""
    generator = np.random.default_rng(5)
    covered = {"rows": 0, "clusters": 0}
    for number in range(300):
        difficulty = generator.normal(0.0, 1.0, size=40).repeat(8)
        scores = difficulty + generator.normal(0.0, 0.5, size=320)
        figures = np.stack([scores, np.ones(320)])
        how = Resampling(400, 0.95, number)
        for name, (totals, counts) in {
            "rows": figures,
            "clusters": sum_by_cluster(figures, np.arange(40).repeat(8).tolist()),
        }.items():
            found = ratio_interval(totals, counts, how)
            covered[name] += found.low <= 0.0 <= found.high
    assert 0.91 <= covered["clusters"] / 300 <= 0.98
    assert covered["rows"] / 300 < 0.7
