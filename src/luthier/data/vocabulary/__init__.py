"""Terms that a tokenizer shatters, tokens for them, and what that saves."""
