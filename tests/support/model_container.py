"""A model container in the place of `python -m batch_jobs.serve`: quick to start, and it shows what it was given.

Its model's `behaviour` file says what it does: "healthy", "ends" before it is healthy, or "silent" on /ping.
"""

import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

BASE = Path(os.environ["SAGEMAKER_BASE_DIR"])
BEHAVIOUR = (BASE / "model/behaviour").read_text()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Not each request."""

    def do_GET(self) -> None:
        self._answer(200 if BEHAVIOUR != "silent" else 503, b"")

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if "status" in request:
            self._answer(request["status"], json.dumps({"error": "as asked"}).encode())
        elif "chunks" in request:
            self._stream(request["chunks"])
        else:
            files = sorted(str(path.relative_to(BASE)) for path in BASE.rglob("*") if path.is_file())
            version = (BASE / "model/version").read_text()
            self._answer(200, json.dumps({"version": version, "files": files, "argv": sys.argv[1:]}).encode())

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, chunks: list[str]) -> None:
        """Each chunk on its own; "break" ends the connection without an end."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for chunk in chunks:
            if chunk == "break":
                self.close_connection = True
                return
            data = chunk.encode()
            self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            self.wfile.flush()
            time.sleep(0.2)
        self.wfile.write(b"0\r\n\r\n")


if __name__ == "__main__":
    if BEHAVIOUR == "ends":
        sys.exit("the model has no weights")
    print("serving", flush=True)
    ThreadingHTTPServer(("127.0.0.1", int(os.environ["SAGEMAKER_BIND_TO_PORT"])), Handler).serve_forever()
