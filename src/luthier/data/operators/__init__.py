"""Operators: functions over Arrow batches of rows, the same on one process, on many and on a cluster."""
