"""The fast path: exact replacements for the slow parts of unmodified transformers and PEFT models."""
