"""Predictions of models with a task's head, for texts as they are."""
