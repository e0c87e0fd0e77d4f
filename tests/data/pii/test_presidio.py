"""The adapter for Presidio: its results become findings, and its absence an error that names the extra."""

from importlib.util import find_spec
from types import SimpleNamespace

import pytest

from luthier.core.errors import MissingDependencyError
from luthier.data.pii.detect import Detector
from luthier.data.pii.presidio import Presidio


def test_results_become_findings_beside_ours():
    text = "Ann lives at a@b.cn, 13812345678"

    class Analyzer:
        def analyze(self, text, language, entities):
            assert language == "en" and "PERSON" in entities
            for entity, start, end, score in (("PERSON", 0, 3, 0.99), ("EMAIL_ADDRESS", 13, 19, 1.0)):
                yield SimpleNamespace(entity_type=entity, start=start, end=end, score=score)

    presidio = Presidio("en_core_web_sm")
    presidio.__dict__["_analyzer"] = Analyzer()
    found = Detector(["phone"], [presidio]).find_all([text])[0]
    assert [(f.kind, f.text, f.certainty) for f in found] == [
        ("name", "Ann", "uncertain"),
        ("email", "a@b.cn", "pattern"),
        ("phone", "13812345678", "pattern"),
    ]


@pytest.mark.skipif(find_spec("presidio_analyzer") is not None, reason="Presidio is installed")
def test_without_presidio_the_extra_is_named():
    with pytest.raises(MissingDependencyError, match=r"luthier\[presidio\]"):
        list(Presidio("en_core_web_sm")("text"))
