"""Several tasks in one run: which rows come when, how much each task counts, and what their gradients agree on."""
