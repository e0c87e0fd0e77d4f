"""Examination: jailbreaks, injected instructions, and refusals of what is harmless."""
