"""The one training loop, its state, checkpoints and progress."""
