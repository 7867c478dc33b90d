"""What things are called and how they are shaped. Pydantic and the standard library only."""
