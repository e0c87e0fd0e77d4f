"""Is the tuned model better, by how much, and may it be registered."""
