"""Preflight: what a training run would see of the rows: tokens, masks, turn ends, cost."""
