"""Prompts: files of instructions with variables and examples, rendered strictly and compared on an evaluation set."""
