"""A/B tests: planned, assigned, and compared once or after every observation."""
