"""Generalization: rows of other domains, examples in the prompt, and what a model could do before it was tuned."""
