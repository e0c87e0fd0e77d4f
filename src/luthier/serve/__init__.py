"""Serving: an OpenAI-compatible server that feeds a model exactly the tokens it was trained on."""
