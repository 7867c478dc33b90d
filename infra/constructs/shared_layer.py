"""The layers that every function has: the locked packages, and the package `tunesmith`."""

from pathlib import Path

from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.constructs.lean_function import ARCHITECTURES, python_runtime
from infra.layers import dependencies_layer, shared_layer


class SharedLayers(Construct):
    """One pair per stack: a layer's ARN changes with its content, and CloudFormation refuses to change a value that
    another stack imports."""

    def __init__(self, scope: Construct, *, architecture: str):
        super().__init__(scope, "Layers")
        self.all = [
            self._layer("Dependencies", dependencies_layer(architecture), architecture),
            self._layer("Tunesmith", shared_layer(), architecture),
        ]

    def _layer(self, name: str, archive: Path, architecture: str) -> lambda_.LayerVersion:
        return lambda_.LayerVersion(
            self,
            name,
            code=lambda_.Code.from_asset(str(archive)),
            compatible_runtimes=[python_runtime()],
            compatible_architectures=[ARCHITECTURES[architecture]],
        )
