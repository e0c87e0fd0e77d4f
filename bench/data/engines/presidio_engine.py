"""Presidio's analyzer over texts, one by one: ``python presidio_engine.py TEXTS.json FOUND.json``.

No spaCy model is loaded, only its blank tokenizer, for every kind compared here is found by patterns: this flatters
Presidio's speed. Loading is not timed.
"""

import json
import sys
import time
from pathlib import Path

import spacy
from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
from presidio_analyzer.nlp_engine import NlpArtifacts, NlpEngine
from presidio_analyzer.predefined_recognizers import (
    CreditCardRecognizer,
    EmailRecognizer,
    IpRecognizer,
    PhoneRecognizer,
)

KINDS = {
    "CREDIT_CARD": "bank_card",
    "EMAIL_ADDRESS": "email",
    "IP_ADDRESS": "ip_address",
    "PHONE_NUMBER": "phone",
}


class Blank(NlpEngine):
    """A tokenizer and nothing more."""

    def load(self):
        """Load nothing."""
        self.nlp = spacy.blank("en")

    def is_loaded(self):
        """Tell that nothing is missing."""
        return hasattr(self, "nlp")

    def process_text(self, text, language):
        """Return the tokens of a text."""
        tokens = self.nlp(text)
        lemmas = [token.text for token in tokens]
        return NlpArtifacts([], tokens, [token.idx for token in tokens], lemmas, self, language)

    def process_batch(self, texts, language, **options):
        """Yield the tokens of texts."""
        for text in texts:
            yield text, self.process_text(text, language)

    def is_stopword(self, word, language):
        """Tell whether a word says nothing."""
        return self.nlp.vocab[word].is_stop

    def is_punct(self, word, language):
        """Tell whether a word is punctuation."""
        return self.nlp.vocab[word].is_punct

    def get_supported_entities(self):
        """Return no entities."""
        return []

    def get_supported_languages(self):
        """Return the language."""
        return ["en"]


def main() -> None:
    """Find what Presidio finds, and say how long it took."""
    texts = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    engine = Blank()
    engine.load()
    registry = RecognizerRegistry()
    for recognizer in (CreditCardRecognizer, EmailRecognizer, IpRecognizer):
        registry.add_recognizer(recognizer())
    registry.add_recognizer(PhoneRecognizer(supported_regions=("CN", "US", "GB")))
    analyzer = AnalyzerEngine(registry=registry, nlp_engine=engine, supported_languages=["en"])
    started = time.perf_counter()
    results = [analyzer.analyze(text, "en") for text in texts]
    seconds = time.perf_counter() - started
    found = [
        [[KINDS[r.entity_type], r.start, r.end] for r in some if r.entity_type in KINDS] for some in results
    ]
    Path(sys.argv[2]).write_text(json.dumps({"seconds": seconds, "found": found}))


if __name__ == "__main__":
    main()
