"""`promote_model` against moto: `champion` moves to what was verified, once per run, and to nothing else."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from functions.promote_model.handler import lambda_handler
from tests.support.faults import wire
from tests.support.promotion import IMAGE, as_event, model_version, run_request, set_environment
from tunesmith.adapters.registry import Aliases, Versions
from tunesmith.contracts.deployments import DeploymentStatus
from tunesmith.contracts.errors import Conflict, NotApproved, NotFound
from tunesmith.contracts.identity import digest
from tunesmith.contracts.lifecycle import PromoteRequest
from tunesmith.contracts.models import Alias, ApprovalStatus, Candidate
from tunesmith.domain import deploying


@pytest.fixture
def versions(tables, monkeypatch):
    set_environment(monkeypatch, tables)
    return Versions(tables["models"])


@pytest.fixture
def aliases(tables):
    return Aliases(tables["aliases"])


@pytest.fixture
def promote(versions, context):
    def promoted(version, **deployment) -> Alias:
        verified = {"status": DeploymentStatus.VERIFIED} | deployment
        asked = deploying.serving(deploying.deployment_request(run_request(), version), IMAGE).asked()
        request = PromoteRequest(version=version, deployment=asked.model_copy(update=verified), run_id=version.run_id)
        return Alias.model_validate(lambda_handler(as_event(request), context))

    return promoted


def registered(versions, name="first", **options):
    return versions.register(Candidate(**model_version(name, **options).model_dump(exclude={"version"})))


def champion(aliases):
    return aliases.get("docs", "docs", "champion")


def test_verified_version_becomes_the_champion(versions, aliases, event, context):
    version = registered(versions)
    alias = Alias.model_validate(lambda_handler(event("promote_model/verified.json"), context))
    assert (alias.version, alias.adapter_digest, alias.revision) == (1, version.adapter.digest, 1)
    assert champion(aliases) == alias


def test_promotion_twice_is_one_transition(versions, aliases, promote):
    version = registered(versions)
    assert promote(version) == promote(version)
    assert len(aliases.history("docs", "docs", "champion")) == 1


def test_late_repeat_does_not_take_the_place_of_the_next_champion(versions, aliases, promote):
    first, second = registered(versions), registered(versions, "second", champion="first")
    promote(first)
    promote(second)
    assert promote(first).revision == 1
    assert champion(aliases).version == 2


@pytest.mark.parametrize("status", [s for s in DeploymentStatus if s is not DeploymentStatus.VERIFIED])
def test_deployment_that_was_not_verified_moves_nothing(versions, aliases, promote, status):
    with pytest.raises(NotApproved, match=status):
        promote(registered(versions), status=status)
    assert champion(aliases) is None


def test_deployment_of_another_adapter_moves_nothing(versions, aliases, promote):
    with pytest.raises(NotApproved, match=digest("another")):
        promote(registered(versions), model_digest=digest("another"))
    assert champion(aliases) is None


@pytest.mark.parametrize("status", [ApprovalStatus.PENDING, ApprovalStatus.REJECTED])
def test_version_that_the_registry_does_not_approve_moves_nothing(versions, aliases, promote, status):
    claims = registered(versions, status=status).model_copy(update={"status": ApprovalStatus.APPROVED})
    with pytest.raises(NotApproved, match=status):
        promote(claims)
    assert champion(aliases) is None


def test_version_that_is_not_in_the_registry_moves_nothing(versions, aliases, promote):
    with pytest.raises(NotFound):
        promote(model_version("ghost", version=9))
    assert champion(aliases) is None


def test_version_whose_evidence_is_about_an_older_champion_moves_nothing(versions, aliases, promote):
    promote(registered(versions))
    with pytest.raises(NotApproved, match="retry the run"):
        promote(registered(versions, "second"))
    assert champion(aliases).version == 1


def test_of_promotions_at_once_one_wins_and_the_others_are_refused(versions, aliases, promote):
    """Each was compared with no champion, and after the first there is one."""
    rivals = [registered(versions, f"run{number}") for number in range(8)]

    def attempt(version):
        try:
            return promote(version)
        except (NotApproved, Conflict):
            return None

    with wire(), ThreadPoolExecutor(4) as pool:
        won = [alias for alias in pool.map(attempt, rivals) if alias]
    assert won == aliases.history("docs", "docs", "champion") == [champion(aliases)]
