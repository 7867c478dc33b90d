"""Cluster: the same stages on several machines."""
