"""A dataset version made on all nodes of a job."""

from pathlib import Path

from batch_jobs.harness.main import JobContext
from batch_jobs.prepare.against import Against
from batch_jobs.prepare.cluster.distributed import Cluster, Shared
from batch_jobs.prepare.cluster.nodes import Nodes, cluster
from batch_jobs.prepare.pipeline import Prepared, in_order, make_scanner, prepare_with
from tunesmith.contracts.errors import InvalidInput
from tunesmith.contracts.jobs import PrepareParams


def prepare_on(nodes: Nodes, params: PrepareParams, against: Against, folder: Path, context: JobContext) -> Prepared:
    """As `pipeline.prepare_files`, whose bytes come out as well. Raises NodesMissing where nodes do not come."""
    if params.scratch_uri is None:
        raise InvalidInput(f"the job has {nodes.count} nodes and its params no scratch_uri: name a folder they share")
    scanner = make_scanner(params.recipe, against)
    shared = Shared(params.scratch_uri, in_order(params.sources), scanner)
    context.log("waiting for nodes", nodes=nodes.count)
    with cluster(nodes, check_interrupted=context.check_interrupted), Cluster(shared, context) as engine:
        context.log("nodes joined", nodes=nodes.count)
        return prepare_with(engine, params, scanner.languages, against, folder, context)
