"""DynamoDB tables. CDK builds them from these specs; so do the tests.

Every query that the platform makes, and the table and key that answer it, stands in docs/architecture.md.
Decisions read with ConsistentRead from a table, never from an index.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class IndexSpec:
    """A global secondary index: for listings that people look at."""

    name: str
    partition_key: str
    sort_key: str


@dataclass(frozen=True, slots=True)
class TableSpec:
    """A table whose keys are all strings."""

    name: str
    partition_key: str
    sort_key: str | None = None
    indexes: tuple[IndexSpec, ...] = field(default=())
    stream: bool = False

    @property
    def key_schema(self) -> list[tuple[str, str]]:
        keys = [(self.partition_key, "HASH")]
        return keys + ([(self.sort_key, "RANGE")] if self.sort_key else [])

    @property
    def attribute_names(self) -> list[str]:
        names = [name for name, _ in self.key_schema]
        for index in self.indexes:
            names += [index.partition_key, index.sort_key]
        return list(dict.fromkeys(names))


UPLOADS = TableSpec("uploads", "upload_id")
"""One row per accepted object version, for ever."""

DATASETS = TableSpec("datasets", "dataset", "entry")
"""`<project>/<dataset>` -> `version#<digest>` per dataset version, `newest`: the last that uploads made, and `suite`:
the pinned frozen test split."""

RUNS = TableSpec("runs", "run_id", indexes=(IndexSpec("by_project", "project", "created_at"),), stream=True)
"""One row per run; its stream starts the execution."""

JOBS = TableSpec("jobs", "job_id")
"""Fencing: `<run_id>/<job>` -> the attempt that may write."""

MODELS = TableSpec("models", "model", "entry")
"""`<project>/<model>` -> `counter`, `version#00001`, ... and `run#<run_id>`: the version that a run registered."""

ALIASES = TableSpec("aliases", "model", "entry")
"""`<project>/<model>` -> `alias#champion`, its append-only history `history#champion#00001`, and
`cause#champion#<cause>`: the transition that a run, or a person's request, has caused."""

DEPLOYMENTS = TableSpec("deployments", "endpoint")
"""What each endpoint was last asked to serve, under which token."""

API_KEYS = TableSpec("api_keys", "key_hash", indexes=(IndexSpec("by_project", "project", "created_at"),))
"""API keys, hashed."""

FEEDBACK = TableSpec("feedback", "project", "feedback_id")
"""Feedback, staged until a person has reviewed it."""

RETRAINING = TableSpec("retraining", "model", "entry")
"""`<project>/<model>` -> `policy`: the last decision that started a run, and `decision#<digest>` per alarm that
was decided."""

TABLES = (UPLOADS, DATASETS, RUNS, JOBS, MODELS, ALIASES, DEPLOYMENTS, API_KEYS, FEEDBACK, RETRAINING)
