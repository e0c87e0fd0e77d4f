"""Tests of annotation and its quality control."""
