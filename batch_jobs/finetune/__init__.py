"""The job that trains an adapter."""
