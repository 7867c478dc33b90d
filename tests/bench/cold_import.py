"""CPU of a cold import of each Lambda handler, beside a bare DynamoDB client and a typical Powertools handler.

    python -m tests.bench.cold_import [--repetitions 7]

Fresh interpreters in turns; what Python itself takes to start is measured in the same turns and taken off. No
microVM, no download of code: of Lambda's cold start this is the part that the code decides.
"""

import argparse
from pathlib import Path

from tests.bench.measuring import Sample, in_turns, run_python, table

FUNCTIONS = Path(__file__).parents[2] / "functions"
ENVIRONMENT = {
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "none",
    "AWS_SECRET_ACCESS_KEY": "none",
    "POWERTOOLS_SERVICE_NAME": "bench",
    "POWERTOOLS_TRACE_DISABLED": "true",
    "PYTHONPATH": "layers/shared/python",
}
NOTHING = "pass"
BARE_CLIENT = "import boto3; boto3.client('dynamodb')"
TYPICAL = """
import boto3
from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from pydantic import BaseModel
logger, metrics, tracer = Logger(), Metrics(namespace="bench"), Tracer()
app = APIGatewayRestResolver(enable_validation=True)
table = boto3.resource("dynamodb").Table("runs")
class Feedback(BaseModel):
    rating: str
@app.post("/feedback")
def give(feedback: Feedback) -> dict[str, str]:
    return {"rating": feedback.rating}
@logger.inject_lambda_context
@tracer.capture_lambda_handler
def lambda_handler(event, context):
    return app.resolve(event, context)
"""
WITH_CLIENT = "from tunesmith.adapters import dynamo; dynamo.client()"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=7)
    repetitions = parser.parse_args().repetitions

    found = in_turns({name: _case(source) for name, source in sources().items()}, repetitions)
    start = found.pop("nothing").cpu
    bare = found["a bare DynamoDB client"].cpu - start
    print(f"{repetitions} fresh interpreters each, in turns; Python's own {start * 1000:.0f} ms taken off\n")
    table(
        ["imported", "CPU ms, median", "least to most", "of the bare client"],
        [
            [
                name,
                round((samples.cpu - start) * 1000),
                " to ".join(f"{(figure - start) * 1000:.0f}" for figure in samples.range),
                (samples.cpu - start) / bare,
            ]
            for name, samples in found.items()
        ],
    )


def sources() -> dict[str, str]:
    """What is run, by name: each handler alone, and with the client that its first request makes."""
    handlers = sorted(path.parent.name for path in FUNCTIONS.glob("*/handler.py"))
    found = {"nothing": NOTHING, "a bare DynamoDB client": BARE_CLIENT, "a typical Powertools handler": TYPICAL}
    found |= {f"`{name}`": f"import functions.{name}.handler" for name in handlers}
    for name in ("accept_upload", "inference_api"):
        found[f"`{name}` and its first client"] = f"import functions.{name}.handler; {WITH_CLIENT}"
    return found


def _case(source: str):  # noqa: ANN202
    def run() -> Sample:
        return run_python(["-c", source], ENVIRONMENT)

    return run


if __name__ == "__main__":
    main()
