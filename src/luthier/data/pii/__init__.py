"""Personal data and secrets: found with a stated certainty, then reported, masked, replaced or dropped."""
