"""What a running local cloud says of itself: `state.json` in its folder, there only while it is ready."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

STATE_FILE = "state.json"


@dataclass(frozen=True)
class State:
    endpoint_url: str
    """Of the AWS API."""
    api_base_url: str
    """Of the platform's own API; ends in `/v1`."""
    api_key: str | None
    """A key of the project `demo`; None where an app other than the platform is deployed."""
    console_url: str | None
    state_dir: str
    pid: int
    started_at: float
    """Of the process, as the operating system has it: a process id alone may be somebody else's by now."""
    ready_at: str
    region: str

    def write(self) -> None:
        """The file appears whole."""
        target = Path(self.state_dir) / STATE_FILE
        partial = target.with_suffix(".partial")
        partial.touch(mode=0o600)  # it holds a key
        partial.write_text(json.dumps(asdict(self), indent=2) + "\n")
        partial.replace(target)


def read(state_dir: Path) -> State | None:
    """The local cloud that runs in this folder now, or None."""
    try:
        found = State(**json.loads((state_dir / STATE_FILE).read_text()))
    except FileNotFoundError:
        return None
    return found if started_at(found.pid) == found.started_at else None


def remove(state_dir: Path) -> None:
    (state_dir / STATE_FILE).unlink(missing_ok=True)


def started_at(pid: int) -> float | None:
    """When the process with this id started; None where there is none, or it only waits to be buried."""
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.NoSuchProcess:
        return None
