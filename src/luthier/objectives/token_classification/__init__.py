"""Token classification: the loss, what is measured, and the baseline."""
