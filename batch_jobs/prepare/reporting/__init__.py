"""Reporting: the data card and the page with plots."""
