"""What the user wrote: a strict schema, read from YAML with every fault reported at once."""
