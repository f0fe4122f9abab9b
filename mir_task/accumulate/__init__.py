"""Rows in, moments out, in one pass. Knows torch and nothing else."""
