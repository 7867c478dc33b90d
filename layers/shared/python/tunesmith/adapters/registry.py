"""The model registry: versions that are numbered without gaps, and aliases that move one recorded step at a time.

Entries of one model, in two tables (`contracts.tables.MODELS` and `ALIASES`):

    counter                 how many versions there are     condition: unchanged since it was read
    version#00007           the version itself              condition: not there
    run#<run_id>            the version that a run made     condition: not there, so that a run makes one
    alias#champion          what the alias points to now    condition: its revision is unchanged
    history#champion#00003  each transition, never changed  condition: not there
    cause#champion#<cause>  what a run or a person caused   condition: not there, so that a cause moves an alias once
"""

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass

from tunesmith.adapters import dynamo
from tunesmith.adapters.dynamo import Put, Row
from tunesmith.contracts.base import Timestamp
from tunesmith.contracts.errors import Conflict, NotFound
from tunesmith.contracts.models import Alias, ApprovalStatus, Candidate, ModelVersion

KEY = ("model", "entry")
ATTEMPTS = 40
LONGEST_PAUSE_SECONDS = 0.2


def version_entry(version: int) -> str:
    return f"version#{version:05d}"


@dataclass(frozen=True)
class Versions:
    """The versions of all models, in the table MODELS."""

    table: str

    def get(self, project: str, model: str, version: int) -> ModelVersion:
        """The version as of now. Raises NotFound."""
        return _version(self._row(project, model, version))

    def all_of(self, project: str, model: str) -> list[ModelVersion]:
        """All versions, oldest first."""
        return [
            _version(row) for row in dynamo.query(self.table, ("model", f"{project}/{model}"), ("entry", "version#"))
        ]

    def of_run(self, project: str, model: str, run_id: str) -> ModelVersion | None:
        """The version that the run registered, or None."""
        marker = dynamo.get(self.table, {"model": f"{project}/{model}", "entry": f"run#{run_id}"})
        return self.get(project, model, int(marker["version"])) if marker else None

    def register(self, candidate: Candidate) -> ModelVersion:
        """Give the candidate the next number. A run that has registered before gets the version it has.

        Raises Conflict where other registrations were faster every time.
        """
        for pause in _pauses():
            registered = self.of_run(candidate.project, candidate.model, candidate.run_id)
            if registered is not None:
                return registered
            counter = self._counter(candidate)
            version = ModelVersion(version=counter + 1, **dict(candidate))
            if dynamo.transact(self._registration(version)):
                return version
            time.sleep(pause)
        raise Conflict(
            f"{candidate.project}/{candidate.model}: {ATTEMPTS} attempts to register {candidate.run_id} met others; "
            "run the step again"
        )

    def decide(self, project: str, model: str, version: int, status: ApprovalStatus, reason: str) -> ModelVersion:
        """Approve or reject a pending version. Raises Conflict where it was decided otherwise before."""
        row = self._row(project, model, version)
        before = _version(row)
        if before.status is status:
            return before
        after = before.model_copy(update={"status": status, "reasons": [*before.reasons, reason]})
        if before.status is ApprovalStatus.PENDING and dynamo.put(self._decision(after)):
            return after
        now = self.get(project, model, version)
        if now.status is status:
            return now
        raise Conflict(f"version {version} of {project}/{model} is {now.status}, so it cannot become {status}")

    def _row(self, project: str, model: str, version: int) -> Row:
        row = dynamo.get(self.table, {"model": f"{project}/{model}", "entry": version_entry(version)})
        if row is None:
            raise NotFound(f"{project}/{model} has no version {version}; list what it has with `tunesmith models list`")
        return row

    def _counter(self, candidate: Candidate) -> int:
        row = dynamo.get(self.table, {"model": f"{candidate.project}/{candidate.model}", "entry": "counter"})
        return int(row["version"]) if row else 0

    def _registration(self, version: ModelVersion) -> list[Put]:
        """Counter, version and run marker: all of them or none."""
        shared = {
            "model": f"{version.project}/{version.model}",
            "version": version.version,
            "owner": dynamo.owner_token(),
            "created_at": version.created_at,
        }
        counter = shared | {"entry": "counter"}
        row = shared | {
            "entry": version_entry(version.version),
            "status": version.status.value,
            "document": version.model_dump_json(),
        }
        marker = shared | {"entry": f"run#{version.run_id}"}
        return [
            _unchanged(self.table, counter, "version", version.version - 1),
            Put.new(self.table, row, KEY),
            Put.new(self.table, marker, KEY),
        ]

    def _decision(self, after: ModelVersion) -> Put:
        row = {
            "model": f"{after.project}/{after.model}",
            "entry": version_entry(after.version),
            "version": after.version,
            "owner": dynamo.owner_token(),
            "created_at": after.created_at,
            "status": after.status.value,
            "document": after.model_dump_json(),
        }
        pending = {":pending": ApprovalStatus.PENDING.value}
        return Put(self.table, row, KEY, condition="#status = :pending", values=pending, names={"#status": "status"})


@dataclass(frozen=True)
class Aliases:
    """The aliases of all models and their histories, in the table ALIASES."""

    table: str

    def get(self, project: str, model: str, alias: str) -> Alias | None:
        """Where the alias points now, or None."""
        return self._read(project, model, f"alias#{alias}")

    def all_of(self, project: str, model: str) -> list[Alias]:
        return self._all(project, model, "alias#")

    def history(self, project: str, model: str, alias: str) -> list[Alias]:
        """Every transition, oldest first."""
        return self._all(project, model, f"history#{alias}#")

    def at(self, project: str, model: str, alias: str, moment: Timestamp) -> Alias | None:
        """Where the alias pointed at that moment; None before its first transition."""
        past = [step for step in self.history(project, model, alias) if step.moved_at <= moment]
        return past[-1] if past else None

    def moved_by(self, project: str, model: str, alias: str, cause: str) -> Alias | None:
        """The transition that this cause made, or None."""
        return self._read(project, model, f"cause#{alias}#{cause}")

    def move(
        self,
        alias: str,
        target: ModelVersion,
        *,
        cause: str,
        reason: str,
        moved_at: Timestamp,
        expected_revision: int | None = None,
    ) -> Alias:
        """Point the alias to `target`, once per `cause` (a run's id, or a token of the person's request): a repeat
        returns the transition that it made.

        Raises Conflict where `expected_revision` (0: no transition yet) is given and is not the alias's, and where
        other transitions were faster every time.
        """
        for pause in _pauses():
            done = self.moved_by(target.project, target.model, alias, cause)
            if done is not None:
                return done
            before = self.get(target.project, target.model, alias)
            revision = before.revision if before else 0
            if expected_revision not in (None, revision):
                raise Conflict(
                    f"{alias} of {target.project}/{target.model} is at revision {revision}, not {expected_revision}: "
                    "somebody moved it meanwhile; look where it points now and decide again"
                )
            after = _next(before, alias, target, reason, moved_at)
            if dynamo.transact(self._transition(after, cause)):
                return after
            time.sleep(pause)
        raise Conflict(
            f"{alias} of {target.project}/{target.model}: {ATTEMPTS} attempts to move it met others; run the step again"
        )

    def _transition(self, after: Alias, cause: str) -> list[Put]:
        """Pointer, history and cause: all of them or none."""
        shared = {
            "model": f"{after.project}/{after.model}",
            "revision": after.revision,
            "owner": dynamo.owner_token(),
            "document": after.model_dump_json(),
        }
        pointer = shared | {"entry": f"alias#{after.alias}"}
        history = shared | {"entry": f"history#{after.alias}#{after.revision:05d}"}
        marker = shared | {"entry": f"cause#{after.alias}#{cause}"}
        return [
            _unchanged(self.table, pointer, "revision", after.revision - 1),
            Put.new(self.table, history, KEY),
            Put.new(self.table, marker, KEY),
        ]

    def _read(self, project: str, model: str, entry: str) -> Alias | None:
        row = dynamo.get(self.table, {"model": f"{project}/{model}", "entry": entry})
        return Alias.model_validate_json(row["document"]) if row else None

    def _all(self, project: str, model: str, prefix: str) -> list[Alias]:
        rows = dynamo.query(self.table, ("model", f"{project}/{model}"), ("entry", prefix))
        return [Alias.model_validate_json(row["document"]) for row in rows]


def _next(before: Alias | None, alias: str, target: ModelVersion, reason: str, moved_at: Timestamp) -> Alias:
    """The alias after the transition. Its time never runs backwards, whatever this machine's clock says."""
    return Alias(
        project=target.project,
        model=target.model,
        alias=alias,
        version=target.version,
        adapter_digest=target.adapter.digest,
        revision=before.revision + 1 if before else 1,
        moved_at=max(moved_at, before.moved_at) if before else moved_at,
        reason=reason,
    )


def _unchanged(table: str, row: Row, attribute: str, value: int) -> Put:
    """A row that replaces the one whose attribute is still `value`; 0 stands for no row."""
    if value == 0:
        return Put.new(table, row, KEY)
    return Put(table, row, KEY, condition="#a = :was", values={":was": value}, names={"#a": attribute})


def _version(row: Row) -> ModelVersion:
    return ModelVersion.model_validate_json(row["document"])


def _pauses() -> Iterator[float]:
    """How long to wait after each attempt: longer each time, and never the same for two who collided."""
    for attempt in range(ATTEMPTS):
        yield random.uniform(0, min(LONGEST_PAUSE_SECONDS, 0.005 * 2**attempt))
