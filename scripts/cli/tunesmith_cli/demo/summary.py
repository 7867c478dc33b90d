"""`summary.json`: what the demo did, for machines."""

import json
from pathlib import Path
from typing import Any

from tunesmith.contracts.base import Contract, Timestamp
from tunesmith.contracts.models import ModelVersion
from tunesmith_cli.report.story import RunStory


class AlarmSeen(Contract):
    name: str
    fired_at: Timestamp


def summary(
    stories: list[RunStory],
    versions: list[ModelVersion],
    aliases: dict[int, str],
    chat: tuple[dict[str, Any], dict[str, Any]],
    alarm: AlarmSeen | None,
) -> dict[str, Any]:
    """The facts of the whole loop; nothing in it is computed here but their arrangement."""
    first, last = stories[0], stories[-1]
    return {
        "dataset": _dataset(first),
        "runs": [_run(story) for story in stories],
        "models": [_model(version, aliases) for version in versions],
        "gate": [_gate(story) for story in stories],
        "chat": {"request": chat[0], "response": chat[1]},
        "alarm": alarm.model_dump(mode="json") if alarm else None,
        "retrained": last is not first,
    }


def write_summary(file: Path, facts: dict[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n")


def _dataset(story: RunStory) -> dict[str, Any] | None:
    if story.dataset is None:
        return None
    return story.dataset.counts.model_dump(mode="json") | {"digest": story.dataset.content_digest}


def _run(story: RunStory) -> dict[str, Any]:
    run = story.run
    return {
        "run_id": run.request.run_id,
        "trigger": run.request.trigger,
        "status": run.status,
        "outcome": run.outcome,
        "seconds": round(story.seconds, 1),
    }


def _model(version: ModelVersion, aliases: dict[int, str]) -> dict[str, Any]:
    return {
        "name": version.model,
        "version": version.version,
        "digest": version.adapter.digest,
        "alias": aliases.get(version.version),
        "status": version.status,
        "metrics": version.metrics,
    }


def _gate(story: RunStory) -> dict[str, Any]:
    if story.verdict is None:
        return {"verdict": "none", "reasons": story.run.reasons}
    return {"verdict": "approved" if story.verdict.approved else "rejected", "reasons": story.verdict.reasons}
