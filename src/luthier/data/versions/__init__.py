"""Data sets under version: what rows there were, when, where they came from, and who may read them."""
