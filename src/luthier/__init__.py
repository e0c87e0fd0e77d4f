"""Luthier fine-tunes language models: one recipe from raw rows to a served, tested model."""

__version__ = "0.1.0"
