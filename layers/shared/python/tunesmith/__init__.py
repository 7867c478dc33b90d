"""tunesmith's shared package: the Lambda layer, the wheel in the containers, what CDK imports."""

__version__ = "0.1.0"
