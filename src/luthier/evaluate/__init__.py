"""What a model is worth: held-out loss, answers, statistics, gates, proof of parity and the report."""
