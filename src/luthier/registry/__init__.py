"""Registered models: versions, aliases, lineage, promotion and rollback, kept by MLflow."""
