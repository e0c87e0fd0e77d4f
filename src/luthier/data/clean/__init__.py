"""Cleaning: texts repaired and made uniform, rows judged, missing values filled; an operator a file."""
