"""The sections of `evaluate:` in a recipe, a file per examination, and `gates:`."""
