"""Errors, artifacts, hashes, atomic files and events: what every stage stands on, without torch."""
