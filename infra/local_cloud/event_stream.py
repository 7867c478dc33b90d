"""The wire format application/vnd.amazon.eventstream: what AWS streams answers in."""

import struct
import zlib
from collections.abc import Mapping

STRING = 7


def message(headers: Mapping[str, str], payload: bytes) -> bytes:
    """One message: lengths, headers, payload, and a checksum of the prelude and of the whole."""
    encoded = b"".join(_header(name, value) for name, value in headers.items())
    prelude = struct.pack("!II", len(encoded) + len(payload) + 16, len(encoded))
    body = prelude + struct.pack("!I", zlib.crc32(prelude)) + encoded + payload
    return body + struct.pack("!I", zlib.crc32(body))


def event(kind: str, payload: bytes, content_type: str = "application/octet-stream") -> bytes:
    return message({":message-type": "event", ":event-type": kind, ":content-type": content_type}, payload)


def exception(kind: str, payload: bytes) -> bytes:
    """What tells the client in the middle of a stream that it will not end well."""
    headers = {":message-type": "exception", ":exception-type": kind, ":content-type": "application/json"}
    return message(headers, payload)


def _header(name: str, value: str) -> bytes:
    encoded_name, encoded = name.encode(), value.encode()
    return struct.pack("!B", len(encoded_name)) + encoded_name + struct.pack("!BH", STRING, len(encoded)) + encoded
