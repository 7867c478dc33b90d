"""The job that turns uploaded rows into a dataset version."""
