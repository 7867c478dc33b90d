"""Findings of cdk-nag that we accept: which, where exactly, and why."""


def acknowledge(app) -> None:
    pass
