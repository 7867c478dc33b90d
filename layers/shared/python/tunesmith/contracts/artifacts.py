"""The layout of the buckets. Nobody else in the repository spells a key.

uploads     uploads/<project>/<dataset>/<file>          what people upload
            uploads/<project>/<dataset>/<folder>/...    many files as one dataset, complete by its _dataset.json
            projects/<project>/recipe.yaml              their recipe
artifacts   datasets/<project>/<dataset>/<version>/     Parquet splits, quarantine, manifest
            scans/<project>/<digest>/                   scanned files, kept for the next dataset version
            scratch/<run_id>/                           what the machines of one job hand each other; expires
            runs/<run_id>/<job>/{params,result,progress,failure}.json
            evaluations/<model>/<suite>/<settings>/     scores of one model on one frozen suite, cached by digest
            feedback/<project>/<digest>.jsonl           reviewed feedback as training rows
            traffic/<project>/<completion_id>.json      captured requests and answers
models      bases/<digest>/  bases/<name>.json          base models, and the pointer that names one
            adapters/<digest>/                          trained adapters
            cards/<run_id>/README.md                    model cards
"""

import re

UPLOADS_PREFIX = "uploads/"
PROJECTS_PREFIX = "projects/"
DATASETS_PREFIX = "datasets/"
SCANS_PREFIX = "scans/"
SCRATCH_PREFIX = "scratch/"
RUNS_PREFIX = "runs/"
FEEDBACK_PREFIX = "feedback/"
TRAFFIC_PREFIX = "traffic/"
CARDS_PREFIX = "cards/"
UPLOAD_KEY = re.compile(
    r"^uploads/(?P<project>[a-z0-9][a-z0-9-]{0,62})/(?P<dataset>[a-z0-9][a-z0-9-]{0,62})/(?P<file>[^/\x00-\x1f]{1,255})$"
)

FOLDER_LIST = "_dataset.json"
FOLDER_MEMBER = re.compile(r"^uploads/[^/]+/[^/]+/.+/[^/]+$", re.DOTALL)
FOLDER_LIST_KEY = re.compile(
    r"^uploads/(?P<project>[a-z0-9][a-z0-9-]{0,62})/(?P<dataset>[a-z0-9][a-z0-9-]{0,62})/"
    r"(?P<file>(?:[^/\x00-\x1f]{1,255}/)+_dataset\.json)$"
)


def upload_key(project: str, dataset: str, file: str) -> str:
    return f"uploads/{project}/{dataset}/{file}"


def recipe_key(project: str) -> str:
    return f"{PROJECTS_PREFIX}{project}/recipe.yaml"


def dataset_prefix(project: str, dataset: str, version: str) -> str:
    return f"{DATASETS_PREFIX}{project}/{dataset}/{version}/"


def scans_prefix(project: str) -> str:
    return f"{SCANS_PREFIX}{project}/"


def scratch_prefix(run_id: str) -> str:
    return f"{SCRATCH_PREFIX}{run_id}/"


def job_prefix(run_id: str, job: str) -> str:
    return f"{RUNS_PREFIX}{run_id}/{job}/"


def params_key(run_id: str, job: str) -> str:
    return f"{job_prefix(run_id, job)}params.json"


def result_key(run_id: str, job: str) -> str:
    return f"{job_prefix(run_id, job)}result.json"


def failure_key(run_id: str, job: str) -> str:
    return f"{job_prefix(run_id, job)}failure.json"


def progress_key(run_id: str, job: str) -> str:
    return f"{job_prefix(run_id, job)}progress.json"


def report_key(run_id: str) -> str:
    return f"{job_prefix(run_id, 'evaluate')}report.json"


def checkpoints_prefix(run_id: str) -> str:
    return f"{job_prefix(run_id, 'finetune')}checkpoints/"


def evaluations_prefix() -> str:
    return "evaluations/"


def evaluation_prefix(model_digest: str, suite_digest: str, settings_digest: str) -> str:
    return f"evaluations/{model_digest}/{suite_digest}/{settings_digest}/"


def feedback_rows_key(project: str, rows_digest: str) -> str:
    return f"{FEEDBACK_PREFIX}{project}/{rows_digest}.jsonl"


def traffic_key(project: str, completion_id: str) -> str:
    return f"{TRAFFIC_PREFIX}{project}/{completion_id}.json"


def bases_prefix() -> str:
    return "bases/"


def base_prefix(base_digest: str) -> str:
    return f"bases/{base_digest}/"


def base_pointer_key(name: str) -> str:
    return f"bases/{name}.json"


def adapters_prefix() -> str:
    return "adapters/"


def adapter_prefix(adapter_digest: str) -> str:
    return f"adapters/{adapter_digest}/"


def card_key(run_id: str) -> str:
    return f"{CARDS_PREFIX}{run_id}/README.md"


def s3_uri(bucket: str, key: str) -> str:
    return f"s3://{bucket}/{key}"


def split_s3_uri(uri: str) -> tuple[str, str]:
    """`s3://bucket/key` -> (bucket, key)."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key
