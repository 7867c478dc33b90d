"""What every Lambda starts with."""
