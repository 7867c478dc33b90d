"""An accepted upload, out of facts that a test may change one by one."""

from tunesmith.contracts.events import ObjectCreated
from tunesmith.contracts.identity import digest
from tunesmith.contracts.models import ModelReference
from tunesmith.contracts.recipes import Recipe
from tunesmith.domain.accepting import Acceptance, PinnedRecipe, accept_upload

NOW = "2026-11-24T05:45:02.123Z"
BASE = ModelReference(uri="s3://models/bases/b/", digest=digest("base"))
FOUND = ObjectCreated(
    bucket="uploads",
    key="uploads/docs/docstrings/train.jsonl",
    version_id="v1",
    sequencer="00A",
    size=3,
    account="123456789012",
    region="us-east-1",
)


def accepted(
    found: ObjectCreated = FOUND,
    recipe: Recipe | None = None,
    base: ModelReference | None = BASE,
    now: str = NOW,
    problem: str | None = None,
    size: int = 3,
) -> Acceptance:
    return accept_upload(found, size, PinnedRecipe(recipe or Recipe(), "r1", problem), base, now)
