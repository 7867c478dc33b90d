"""AWS, through boto3 and nothing else. Adapters act; they do not decide."""
