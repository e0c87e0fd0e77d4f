"""Which parameters train: full, freeze, LoRA."""
