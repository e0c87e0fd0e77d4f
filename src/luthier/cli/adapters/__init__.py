"""Commands on adapters."""
