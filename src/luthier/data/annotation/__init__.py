"""Annotation and its quality control: projects of rated rows, agreement, adjudication, label errors, corrections."""
