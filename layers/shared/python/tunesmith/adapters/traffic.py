"""Captured traffic in S3: one JSON object per answer."""

from tunesmith.adapters.storage import Storage
from tunesmith.contracts.artifacts import s3_uri, traffic_key
from tunesmith.contracts.errors import NotFound
from tunesmith.contracts.traffic import Exchange


class Traffic:
    """The exchanges of all projects; every call names the project that it may see."""

    def __init__(self, bucket: str, storage: Storage):
        self._bucket, self._storage = bucket, storage

    def capture(self, exchange: Exchange) -> None:
        uri = self._uri(exchange.project, exchange.completion_id)
        self._storage.write(uri, exchange.model_dump_json(), "application/json")

    def find(self, project: str, completion_id: str) -> Exchange:
        """Raises NotFound where the project was given no such answer, or did not keep it."""
        body = self._storage.read_if_there(self._uri(project, completion_id))
        if body is None:
            raise NotFound(f"project {project} has no captured answer {completion_id}")
        return Exchange.model_validate_json(body)

    def _uri(self, project: str, completion_id: str) -> str:
        return s3_uri(self._bucket, traffic_key(project, completion_id))
