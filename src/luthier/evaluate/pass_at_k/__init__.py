"""Examination: how often one of k sampled answers is right, by words, by numbers or by tests that are run."""
