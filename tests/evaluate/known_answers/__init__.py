"""Known answers from outside for evaluation: every cell is checked, or it is said why it is not ours."""
