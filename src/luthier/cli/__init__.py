"""Commands and their rendering; nothing here computes."""
