"""Bases and saved models: located, converted, loaded, asked to generate."""
