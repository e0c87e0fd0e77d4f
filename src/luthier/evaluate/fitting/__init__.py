"""Over- and under-fitting: training rows against held-out rows, and the course of training."""
