"""Raw rows to encoded, masked, counted examples."""
