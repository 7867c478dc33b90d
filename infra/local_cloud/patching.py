"""Put our own behaviour in the place of a name of moto, and take it out again when the cloud stops.

moto is pinned exactly, and a name that it no longer has is an error at the start, not a silent no-op later.
"""

from typing import Any

from infra.local_cloud.cloud import Cloud


def replace(cloud: Cloud, owner: Any, name: str, replacement: Any) -> Any:
    """Set `owner.name` until the cloud stops; answers what stood there."""
    if not hasattr(owner, name):
        place = getattr(owner, "__qualname__", None) or owner.__name__
        raise AttributeError(f"moto has no {place}.{name} to replace: use the moto version that pyproject.toml pins.")
    original = vars(owner).get(name)
    before = getattr(owner, name)
    setattr(owner, name, replacement)
    cloud.on_stop.append(lambda: _restore(owner, name, original))
    return before


def put(cloud: Cloud, owner: Any, name: str, addition: Any) -> None:
    """Add `owner.name`, which moto lacks, until the cloud stops."""
    if hasattr(owner, name):
        raise AttributeError(f"moto has {owner.__name__}.{name} now: replace it instead.")
    setattr(owner, name, addition)
    cloud.on_stop.append(lambda: delattr(owner, name))


def _restore(owner: Any, name: str, original: Any) -> None:
    if original is None:
        delattr(owner, name)  # it was inherited
    else:
        setattr(owner, name, original)
