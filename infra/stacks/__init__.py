"""Wiring and grants, nothing else."""
