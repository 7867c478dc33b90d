"""Whether a training may follow what the preflight saw."""

from tunesmith.contracts.errors import QualityGateFailed
from tunesmith.contracts.jobs import PrepareParams
from tunesmith.contracts.preflight import Preflight


def check_preflight(told: Preflight | None, params: PrepareParams) -> None:
    """Raises QualityGateFailed with every reason where a training follows (`params.finetune`) and would go wrong."""
    if told is not None and told.errors and params.finetune is not None:
        raise QualityGateFailed(reasons(told))


def reasons(told: Preflight) -> str:
    """Every error in a sentence with its first places; no contents of rows."""
    sentences = []
    for finding in told.errors:
        places = f" ({finding.rows:,} rows: {', '.join(finding.places)})" if finding.places else ""
        sentences.append(f"{finding.code}: {finding.message}{places}; {finding.hint}")
    return "this training would go wrong. " + " | ".join(sentences)
