"""Benchmarks: tasks of lm-evaluation-harness, in our batches, for base and result."""
