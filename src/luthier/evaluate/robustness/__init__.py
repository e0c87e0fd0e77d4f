"""Robustness: what a model says about inputs that were altered by chance, or by an attacker."""
