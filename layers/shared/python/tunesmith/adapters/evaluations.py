"""What the jobs of a run left behind as evidence: results, reports and manifests, read from their files.

A file that is absent or malformed is a finding, told in words. A network that fails is an error, and is tried again.
"""

from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import ValidationError

from tunesmith.adapters.storage import Storage
from tunesmith.contracts.base import Contract
from tunesmith.contracts.evaluations import EvaluationReport
from tunesmith.contracts.jobs import EvaluateParams, FinetuneResult
from tunesmith.domain.gating import Evidence

Document = TypeVar("Document", bound=Contract)


@dataclass(frozen=True)
class Found(Generic[Document]):
    """A document, or why there is none."""

    document: Document | None
    problem: str = ""


def find(storage: Storage, uri: str, shape: type[Document], what: str) -> Found[Document]:
    """The document at `uri`, checked against its shape."""
    body = storage.read_if_there(uri)
    if body is None:
        return Found(None, f"there is no {what} at {uri}")
    try:
        return Found(shape.model_validate_json(body))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(step) for step in first["loc"]) or "the document"
        return Found(None, f"the {what} at {uri} is malformed: {place}: {first['msg']}")


def read_evidence(storage: Storage, asked: EvaluateParams) -> Evidence:
    """All that the gate may rest on."""
    trained = find(storage, asked.finetune_result_uri, FinetuneResult, "training result")
    report = find(storage, asked.report_uri, EvaluationReport, "evaluation report")
    return Evidence(
        report=report.document,
        candidate=trained.document.adapter if trained.document else None,
        problems=tuple(found.problem for found in (trained, report) if found.problem),
    )
