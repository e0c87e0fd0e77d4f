"""New rows from old ones: seeded operations, a gate against drift of meaning, a cap, and provenance on each row."""
