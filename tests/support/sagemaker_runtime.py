"""A SageMaker runtime that listens: boto3 talks to it over HTTP as it talks to AWS, endpoints are functions."""

import json
import struct
import threading
from binascii import crc32
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Container = Callable[[bytes], tuple[int, list[bytes]]]
"""POST /invocations of a serving container: body -> status, and the answer as it comes in pieces."""


@contextmanager
def sagemaker_runtime(endpoints: Mapping[str, Container]) -> Iterator[str]:
    """Serve the endpoints; yields the URL for AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            _, _, endpoint, operation = self.path.split("/")
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if endpoint not in endpoints:
                return self._fail(400, "ValidationError", {"Message": f"Endpoint {endpoint} not found."})
            status, pieces = endpoints[endpoint](body)
            if status != 200:
                told = {"OriginalStatusCode": status, "OriginalMessage": b"".join(pieces).decode()}
                return self._fail(424, "ModelError", told | {"Message": "Received an error from the container."})
            if operation == "invocations":
                return self._send(200, b"".join(pieces), {"Content-Type": "application/json"})
            self._send(200, b"".join(map(payload_part, pieces)), {"Content-Type": "application/vnd.amazon.eventstream"})

        def _fail(self, status: int, kind: str, told: Mapping[str, object]) -> None:
            self._send(status, json.dumps(told).encode(), {"x-amzn-errortype": kind})

        def _send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """The test's output is not the place."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def payload_part(piece: bytes) -> bytes:
    """A message of Amazon's event stream encoding."""
    named = {":message-type": "event", ":event-type": "PayloadPart", ":content-type": "application/octet-stream"}
    headers = b"".join(map(_header, named.items()))
    prelude = struct.pack("!II", 16 + len(headers) + len(piece), len(headers))
    message = prelude + struct.pack("!I", crc32(prelude)) + headers + piece
    return message + struct.pack("!I", crc32(message))


def _header(item: tuple[str, str]) -> bytes:
    name, value = (part.encode() for part in item)
    return struct.pack("!B", len(name)) + name + b"\x07" + struct.pack("!H", len(value)) + value
