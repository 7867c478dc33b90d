"""Log lines of jobs and containers: into CloudWatch Logs, and to whoever listens."""

import time

from moto.logs.models import LogsBackend, logs_backends

from infra.local_cloud.cloud import Cloud


class LogStream:
    """One stream of a log group; both are made when the first line comes."""

    def __init__(self, cloud: Cloud, group: str, name: str) -> None:
        self.group, self.name = group, name
        self._cloud = cloud

    def write(self, line: str) -> None:
        """Log one line; CloudWatch refuses empty ones."""
        message = line.rstrip("\r\n")
        if not message:
            return
        backend: LogsBackend = logs_backends[self._cloud.account][self._cloud.region]
        backend.ensure_log_group(self.group)
        backend.ensure_log_stream(self.group, self.name)
        backend.put_log_events(self.group, self.name, [{"timestamp": int(time.time() * 1000), "message": message}])
        for listener in self._cloud.log_listeners:
            listener(self.group, self.name, message)
