"""Prepare: uploads -> a dataset version of checked, cleaned, deduplicated, split rows.

    python -m batch_jobs.prepare s3://BUCKET/runs/RUN_ID/prepare/params.json

On a laptop, on local paths (the result lies beside the params, so copy them first):

    mkdir -p .tunesmith/tiny/prepare && cp events/prepare/tiny.json .tunesmith/tiny/prepare/params.json
    python -m batch_jobs.prepare .tunesmith/tiny/prepare/params.json
"""

import gc
import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("NUMPY_MADVISE_HUGEPAGE", "0")  # arrays live for milliseconds: see docs/benchmarks.md
    gc.disable()  # what is imported lives as long as the process: no collection need look at it, now or later
    from batch_jobs.prepare.job import main

    gc.freeze()
    gc.enable()
    sys.exit(main())
