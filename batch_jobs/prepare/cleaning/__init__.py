"""Cleaning: Unicode, personal data and secrets."""
