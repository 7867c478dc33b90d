"""What an hour of a machine costs, and how fast it trains: explicit tables with their sources and dates.

Estimates exist to stop a run that would cost far more than its budget; the bill is AWS's.
"""

from dataclasses import dataclass

PRICES_AS_OF = "2026-11-24"
PRICE_SOURCE = "AWS public on-demand prices, us-east-1, Linux; from memory, so compare them with your bill"
SECONDS_PER_HOUR = 3_600


@dataclass(frozen=True, slots=True)
class Hardware:
    """One kind of machine that a run may use."""

    ec2_type: str
    gpus: int
    batch_usd_per_hour: float
    """As an EC2 instance behind a Batch queue; on demand, because a spot price cannot be promised."""
    sagemaker_usd_per_hour: float
    """As a SageMaker training instance."""

    @property
    def sagemaker_type(self) -> str:
        return f"ml.{self.ec2_type}"


MACHINES = (
    Hardware("m5.2xlarge", 0, batch_usd_per_hour=0.384, sagemaker_usd_per_hour=0.461),
    Hardware("g5.xlarge", 1, batch_usd_per_hour=1.006, sagemaker_usd_per_hour=1.408),
    Hardware("g5.12xlarge", 4, batch_usd_per_hour=5.672, sagemaker_usd_per_hour=7.09),
    Hardware("g5.48xlarge", 8, batch_usd_per_hour=16.288, sagemaker_usd_per_hour=20.36),
)
"""In order of size."""


@dataclass(frozen=True, slots=True)
class Speed:
    """Tokens per second for a model of `parameters`; other sizes scale inversely."""

    parameters: int
    training: float
    prefill: float
    generation: float
    source: str


CPU_SPEED = Speed(
    parameters=134_515_008,
    training=245,
    prefill=490,
    generation=61,
    source="measured: SmolLM2-135M, fp32, rank 16 on all linear layers, 2 quiet cores",
)
GPU_SPEED = Speed(
    parameters=134_515_008,
    training=13_000,
    prefill=26_000,
    generation=650,
    source="not measured: an A10G at 15% of its 70 TFLOPS (bf16, dense), 6 operations per parameter and token, "
    "generation at a fortieth of prefill",
)


def machine_for(gpus: int) -> Hardware:
    """The smallest machine with at least this many GPUs."""
    return next(machine for machine in MACHINES if machine.gpus >= gpus)


def cost(seconds: float, usd_per_hour: float) -> float:
    return seconds * usd_per_hour / SECONDS_PER_HOUR
