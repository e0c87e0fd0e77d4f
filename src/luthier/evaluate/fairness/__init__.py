"""Fairness: groups compared, group words swapped, stereotypes weighed; every comparison with its interval."""
