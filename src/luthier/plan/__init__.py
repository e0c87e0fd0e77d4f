"""What will happen: defaults filled in, options checked against each other, cost predicted."""
