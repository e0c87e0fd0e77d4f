"""The sections of `data:` in a recipe, a file per capability."""
