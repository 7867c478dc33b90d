"""Programs in the race. Each runs alone: `python -m tests.bench.prepare.contestants.NAME CORPUS FOLDER`.

They live in environments of their own and import nothing of tunesmith.
"""
