"""Logger of a Lambda: structured lines with keys. Metrics go through `counting` and `measuring`."""

from aws_lambda_powertools import Logger

logger = Logger()
