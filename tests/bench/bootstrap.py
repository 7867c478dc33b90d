"""The gate's paired bootstrap, beside numpy's: `gate_model` has no numpy, so that it starts fast.

python -m tests.bench.bootstrap [--items 200] [--resamples 2000] [--repetitions 7]
"""

import argparse
import random

from tests.bench.measuring import in_turns, run_here, run_python, table
from tunesmith.domain.statistics import paired_interval


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=200)
    parser.add_argument("--resamples", type=int, default=2_000)
    parser.add_argument("--repetitions", type=int, default=7)
    asked = parser.parse_args()
    draw = random.Random(0)
    differences = [draw.gauss(0.02, 0.1) for _ in range(asked.items)]

    found = in_turns(
        {
            "`paired_interval`, standard library only": lambda: run_here(lambda: ours(differences, asked.resamples)),
            "numpy, vectorised": lambda: run_here(lambda: vectorised(differences, asked.resamples)),
            "importing numpy (fresh interpreter)": lambda: run_python(["-c", "import numpy"]),
            "a fresh interpreter": lambda: run_python(["-c", "pass"]),
        },
        asked.repetitions,
    )
    print(f"{asked.items} items, {asked.resamples:,} resamples; {asked.repetitions} repetitions in turns, medians\n")
    table(["what", "CPU ms"], [[name, samples.cpu * 1000] for name, samples in found.items()])
    print("intervals:", ours(differences, asked.resamples), vectorised(differences, asked.resamples))


def ours(differences: list[float], resamples: int) -> tuple[float, float]:
    interval = paired_interval(differences, confidence=0.95, resamples=resamples, seed="bench")
    return round(interval.low, 4), round(interval.high, 4)


def vectorised(differences: list[float], resamples: int) -> tuple[float, float]:
    """The percentile interval as it is usually written."""
    import numpy

    values = numpy.array(differences)
    drawn = numpy.random.default_rng(0).integers(len(values), size=(resamples, len(values)))
    low, high = numpy.quantile(values[drawn].mean(axis=1), (0.025, 0.975))
    return round(float(low), 4), round(float(high), 4)


if __name__ == "__main__":
    main()
