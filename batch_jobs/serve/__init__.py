"""Serve: an adapter on its base model, behind SageMaker's hosting contract, speaking OpenAI's chat completions."""
