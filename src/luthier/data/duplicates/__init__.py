"""Duplicates: equal rows, nearly equal rows, and rows that mean the same."""
