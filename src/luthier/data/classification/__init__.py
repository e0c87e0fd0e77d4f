"""Texts with a class, or several: which classes there are, and how rows are encoded."""
