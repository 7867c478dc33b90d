"""What may enter the registry: an adapter that is what its manifest says, and a verdict that is about this adapter."""

from collections.abc import Sequence
from pathlib import PurePosixPath

from tunesmith.contracts.base import Digest, Timestamp, Uri
from tunesmith.contracts.datasets import folder_digest
from tunesmith.contracts.errors import IntegrityError, UnsafeArtifact
from tunesmith.contracts.evaluations import EvaluationReport, Verdict
from tunesmith.contracts.jobs import EvaluateParams, Role
from tunesmith.contracts.models import AdapterManifest, ApprovalStatus, Candidate, ModelReference
from tunesmith.contracts.recipes import Approval
from tunesmith.domain.cards import CardFacts, candidate_scores

MANIFEST = "manifest.json"
SAFE_SUFFIXES = frozenset({".safetensors", ".json", ".txt", ".jinja"})


def check_adapter(adapter: ModelReference, manifest: AdapterManifest, found: Sequence[str]) -> None:
    """Raise unless the folder is what the training job says it is: the digest it names, these files and no others."""
    listed = folder_digest(manifest.files)
    if not listed == manifest.digest == adapter.digest:
        raise IntegrityError(
            f"adapter {adapter.uri}: the run names digest {adapter.digest}, its manifest {manifest.digest}, and the "
            f"manifest's files make {listed}; one of them was changed after training, so train again"
        )
    unsafe = [path for path in found if PurePosixPath(path).suffix not in SAFE_SUFFIXES]
    if unsafe:
        raise UnsafeArtifact(
            f"adapter {adapter.uri} holds {', '.join(unsafe)}: only {', '.join(sorted(SAFE_SUFFIXES))}"
        )
    expected = {entry.path for entry in manifest.files} | {MANIFEST}
    if set(found) != expected:
        raise IntegrityError(
            f"adapter {adapter.uri} holds {', '.join(sorted(found))}; its manifest lists {', '.join(sorted(expected))}"
        )


def trusted_report(report: EvaluationReport | None, verdict: Verdict, adapter_digest: str) -> EvaluationReport | None:
    """The report where it is about this adapter. Raises where an approval rests on anything else."""
    judged = verdict.candidate.digest if verdict.candidate else None
    measured = report.candidate.digest if report else None
    if verdict.approved and not adapter_digest == judged == measured:
        raise IntegrityError(
            f"the run trained adapter {adapter_digest}, but the verdict is about {judged} and the report "
            f"{verdict.report_uri} about {measured}: an approval counts only for the adapter that was evaluated"
        )
    return report if measured == adapter_digest else None


def approval_of(verdict: Verdict, approval: Approval) -> ApprovalStatus:
    """The gate can only allow; where the recipe asks for a person, the person approves."""
    if not verdict.approved:
        return ApprovalStatus.REJECTED
    return ApprovalStatus.PENDING if approval is Approval.MANUAL else ApprovalStatus.APPROVED


def compared_with(asked: EvaluateParams) -> Digest | None:
    """The adapter of the champion that the evaluation was about; None where there was no champion."""
    return next((c.adapter.digest for c in asked.contenders if c.role is Role.CHAMPION and c.adapter), None)


def candidate_of(facts: CardFacts, card_uri: Uri, created_at: Timestamp) -> Candidate:
    """The registry's entry, of the same facts as the card."""
    request, scores = facts.request, candidate_scores(facts.report)
    return Candidate(
        project=request.project,
        model=request.model,
        adapter=ModelReference(uri=facts.adapter_uri, digest=facts.adapter.digest),
        base=request.base,
        run_id=request.run_id,
        dataset_version=facts.dataset.dataset_version,
        status=approval_of(facts.verdict, request.recipe.approval),
        reasons=facts.verdict.reasons,
        metrics={metric.value: score for metric, score in scores.items()},
        compared_with=facts.compared_with,
        evidence_uri=facts.verdict.report_uri,
        card_uri=card_uri,
        created_at=created_at,
    )
