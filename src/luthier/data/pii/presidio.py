"""Adapter for Microsoft Presidio: its analyzer as one more recogniser beside ours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from luthier.core.errors import DataError
from luthier.core.optional import require
from luthier.data.pii.finding import Certainty, Finding

_KINDS = {
    "CREDIT_CARD": "bank_card",
    "EMAIL_ADDRESS": "email",
    "IBAN_CODE": "iban",
    "IP_ADDRESS": "ip_address",
    "KR_RRN": "foreign_identity",
    "LOCATION": "address",
    "PERSON": "name",
    "PHONE_NUMBER": "phone",
    "UK_PASSPORT": "passport",
    "US_PASSPORT": "passport",
    "US_SSN": "foreign_identity",
}
"""Presidio's entities that are kinds of ours; the others are not asked for."""

_ALWAYS_UNCERTAIN = ("address", "name")
_CERTAIN_SCORE = 0.85


@dataclass(frozen=True)
class Presidio:
    """Finds personal data with Presidio's analyzer; it can be pickled, and loads its model where it runs.

    Args:
        spacy_model: Installed spaCy model, e.g. ``en_core_web_sm``.
        language: Of the texts, as Presidio names it.

    Raises:
        MissingDependencyError: presidio-analyzer is not installed.
    """

    spacy_model: str
    language: str = "en"

    def __call__(self, text: str) -> Iterator[Finding]:
        """Yield the findings in one text."""
        for result in self._analyzer.analyze(text, language=self.language, entities=list(_KINDS)):
            kind = _KINDS[result.entity_type]
            is_certain = result.score >= _CERTAIN_SCORE and kind not in _ALWAYS_UNCERTAIN
            certainty: Certainty = "pattern" if is_certain else "uncertain"
            yield Finding(kind, result.start, result.end, text[result.start : result.end], certainty)

    @cached_property
    def _analyzer(self) -> Any:
        analyzer = require(
            "presidio_analyzer", extra="presidio", purpose="finding personal data with Presidio"
        )
        spacy = require("spacy", extra="presidio", purpose="finding personal data with Presidio")
        if not spacy.util.is_package(self.spacy_model):  # Presidio would try to download it
            raise DataError(f"the spaCy model {self.spacy_model} is not installed")
        models = [{"lang_code": self.language, "model_name": self.spacy_model}]
        provider = require(
            "presidio_analyzer.nlp_engine", extra="presidio", purpose="Presidio"
        ).NlpEngineProvider(nlp_configuration={"nlp_engine_name": "spacy", "models": models})
        return analyzer.AnalyzerEngine(
            nlp_engine=provider.create_engine(), supported_languages=[self.language]
        )
