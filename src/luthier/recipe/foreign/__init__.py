"""Import the training YAML of LLaMA-Factory or Axolotl as a recipe; no key is lost without a word."""
