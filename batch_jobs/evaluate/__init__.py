"""Job `evaluate`: the candidate, the base and the champion on the same frozen items."""
