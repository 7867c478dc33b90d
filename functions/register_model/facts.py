"""Reads the facts that a version and its card are made of, and checks that they belong together."""

from tunesmith.adapters.evaluations import find
from tunesmith.adapters.storage import Storage
from tunesmith.contracts.datasets import DatasetManifest
from tunesmith.contracts.errors import InvalidInput
from tunesmith.contracts.evaluations import EvaluationReport
from tunesmith.contracts.jobs import FinetuneResult
from tunesmith.contracts.lifecycle import RegisterRequest
from tunesmith.contracts.models import AdapterManifest, BaseModelManifest, ModelReference
from tunesmith.domain.cards import CardFacts
from tunesmith.domain.registering import MANIFEST, check_adapter, compared_with, trusted_report


def read_facts(asked: RegisterRequest, storage: Storage) -> CardFacts:
    """Raises where the adapter or its evidence is not what it must be."""
    finetune, evaluate = asked.plan.finetune, asked.plan.evaluate
    if finetune is None or evaluate is None:
        raise InvalidInput(f"{asked.request.run_id}: its plan trains nothing, so there is nothing to register")
    trained = FinetuneResult.model_validate_json(storage.read(evaluate.finetune_result_uri))
    report = find(storage, asked.verdict.report_uri, EvaluationReport, "evaluation report").document
    return CardFacts(
        request=asked.request,
        base=BaseModelManifest.model_validate_json(storage.read(asked.request.base.uri + MANIFEST)),
        adapter=checked_adapter(trained.adapter, storage),
        adapter_uri=trained.adapter.uri,
        dataset=DatasetManifest.model_validate_json(storage.read(finetune.manifest_uri)),
        report=trusted_report(report, asked.verdict, trained.adapter.digest),
        verdict=asked.verdict,
        compared_with=compared_with(evaluate),
    )


def checked_adapter(adapter: ModelReference, storage: Storage) -> AdapterManifest:
    manifest = AdapterManifest.model_validate_json(storage.read(adapter.uri + MANIFEST))
    found = [uri.removeprefix(adapter.uri) for uri in storage.files_under(adapter.uri)]
    check_adapter(adapter, manifest, found)
    return manifest
