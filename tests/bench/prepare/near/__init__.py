"""Near-deduplication alone, from texts in memory: `python -m tests.bench.prepare.near.finders NAME TEXTS KEPT`."""
