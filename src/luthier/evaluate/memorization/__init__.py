"""Examination: whether training rows can be extracted, or told from others."""
