"""Serve the model under $SAGEMAKER_BASE_DIR (default /opt/ml) on $SAGEMAKER_BIND_TO_PORT (default 8080).

    python -m batch_jobs.serve

The model is loaded before the port is opened: a container that answers /ping can answer everything. SIGTERM closes
the port, and the process ends once the answers that were begun are finished.
"""

import logging
from pathlib import Path

import uvicorn

from batch_jobs.serve.app import create_app
from batch_jobs.serve.served import load_served
from tunesmith.contracts.environment import ServeEnv

DRAIN_SECONDS = 100
"""SageMaker kills a container 120 s after its SIGTERM."""


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    env = ServeEnv.load()
    served = load_served(Path(env.sagemaker_base_dir))
    logging.getLogger("tunesmith.serve").info("serving %s", served.identity.model_dump_json())
    uvicorn.run(
        create_app(served, max_new_tokens=int(env.max_new_tokens)),
        host="0.0.0.0",
        port=int(env.sagemaker_bind_to_port),
        timeout_graceful_shutdown=DRAIN_SECONDS,
        access_log=False,
    )


if __name__ == "__main__":
    main()
