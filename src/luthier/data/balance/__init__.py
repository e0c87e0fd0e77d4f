"""Rows of rare classes and groups made to count: by weights in the loss, by more copies, by fewer of the others."""
