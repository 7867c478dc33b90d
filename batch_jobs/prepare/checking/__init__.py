"""Checking: lines become rows in one canonical shape, or problems with a place, a code and a hint."""
