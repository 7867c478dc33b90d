"""Deduplicating: exact and near duplicates, and what must not meet the evaluation sets."""
