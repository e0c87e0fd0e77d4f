"""Extractive question answering: the loss of a span, what is measured, and the baseline."""
