"""Signals: what is measured of each row: language, quality, toxicity, labels."""
