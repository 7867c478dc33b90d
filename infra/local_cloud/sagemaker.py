"""SageMaker: training jobs, models, endpoints, invocations and the model registry."""

from infra.local_cloud import sagemaker_runtime
from infra.local_cloud.cloud import Cloud
from infra.local_cloud.model_data import ObjectFiles
from infra.local_cloud.sagemaker_api import answer
from infra.local_cloud.sagemaker_hosting import Endpoints, Models
from infra.local_cloud.sagemaker_registry import ModelPackages
from infra.local_cloud.sagemaker_training import TrainingJobs


def install(cloud: Cloud) -> None:
    files, models = ObjectFiles(cloud), Models(cloud)
    endpoints = Endpoints(cloud, files, models)
    for part in (TrainingJobs(cloud, files), models, endpoints, ModelPackages(cloud)):
        answer(cloud, part.actions())
    sagemaker_runtime.install(cloud, endpoints)
