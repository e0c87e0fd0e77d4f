"""Tests of `luthier data annotate`."""
