"""Steps that the race leaves out, each alone: language, quality, tokenising, report. One program per step and peer.

`python -m tests.bench.prepare.steps.STEP NAME INPUT SMALL ANSWER`; what a program imports is what its environment has.
"""
