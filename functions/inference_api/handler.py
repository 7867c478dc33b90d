"""/v1/chat/completions and /v1/models: the OpenAI API in front of a project's champions.

A champion is the version that was promoted; its endpoint answers in its name, or in that of the version that a rollout
is putting in its place, or not at all: an unknown model is a 404, and any other model behind the endpoint is a 503.
"""

from datetime import datetime
from functools import cache
from time import monotonic

from aws_lambda_powertools.event_handler import Response
from botocore.exceptions import BotoCoreError, ClientError

from functions.inference_api.answers import Answer, ask
from tunesmith.adapters import catalogue, clock, deployments
from tunesmith.adapters.inference import Inference
from tunesmith.adapters.registry import Aliases, Versions
from tunesmith.adapters.runs import get_run
from tunesmith.adapters.storage import Storage
from tunesmith.adapters.traffic import Traffic
from tunesmith.contracts.deployments import endpoint_name
from tunesmith.contracts.environment import InferenceApiEnv
from tunesmith.contracts.errors import EndpointUnavailable
from tunesmith.contracts.keys import Caller, Scope
from tunesmith.contracts.metrics import MetricName
from tunesmith.contracts.models import CHAMPION, Alias
from tunesmith.contracts.openai import ChatCompletionRequest, ListPage, Model
from tunesmith.contracts.traffic import Exchange
from tunesmith.domain.completions import ModelName, answering, exchange_of, served
from tunesmith.domain.paging import PageRequest, page
from tunesmith.entry.api import Api, ApiRequest
from tunesmith.entry.counting import count
from tunesmith.entry.measuring import measure
from tunesmith.entry.observability import logger

api = Api()
env = cache(InferenceApiEnv.load)
inference = cache(Inference)
storage = cache(Storage)


@api.route("POST", "/chat/completions", scope=Scope.INFERENCE)
def complete_chat(request: ApiRequest) -> Response[str]:
    asked = request.parse(ChatCompletionRequest)
    champion = champion_of(request.caller.project, asked.model)
    logger.append_keys(model=champion.model, version=champion.version)
    started = monotonic()
    try:
        answer = ask(inference(), champion, asked)
        served_by = who_answered(champion, asked.model, answer.completion.system_fingerprint)
    except EndpointUnavailable:
        measure(champion.project, champion.model, {MetricName.REQUESTS: 1, MetricName.ERRORS: 1})
        raise
    record(request.caller, served_by, asked, answer, seconds=monotonic() - started)
    return Response(200, answer.content_type, answer.body)


@api.route("GET", "/models", scope=Scope.INFERENCE)
def list_models(request: ApiRequest) -> ListPage:
    found = catalogue.champions(env().aliases_table, request.caller.project)
    return page(map(model_of, found), request.parse_query(PageRequest), lambda model: model.id)


@api.route("GET", "/models/<name>", scope=Scope.INFERENCE)
def retrieve_model(request: ApiRequest, name: str) -> Model:
    return model_of(champion_of(request.caller.project, name))


def champion_of(project: str, name: str) -> Alias:
    """Raises ModelNotFound unless what `name` means is what serves."""
    model = ModelName.parse(name).model
    return served(name, Aliases(env().aliases_table).get(project, model, CHAMPION))


def who_answered(champion: Alias, name: str, fingerprint: str) -> Alias:
    """Looks for a rollout only where the champion did not answer itself."""
    if fingerprint == champion.adapter_digest:
        return champion
    found = deployments.get(env().deployments_table, endpoint_name(champion.project, champion.model))
    return answering(name, champion, fingerprint, found.request if found else None)


def record(caller: Caller, served_by: Alias, asked: ChatCompletionRequest, answer: Answer, seconds: float) -> None:
    """Keep the exchange where the model's recipe says so, and count it."""
    exchange = exchange_of(caller, served_by, asked, answer.completion, seconds, clock.now())
    if is_captured(served_by.project, served_by.model, served_by.version):
        capture(exchange)
    measure(served_by.project, served_by.model, measurements(exchange))


def capture(exchange: Exchange) -> None:
    """The answer is made and paid for: where it cannot be kept, the client gets it all the same, and we hear of it."""
    try:
        Traffic(env().artifacts_bucket, storage()).capture(exchange)
    except (ClientError, BotoCoreError) as error:
        count(MetricName.CAPTURES_LOST)
        logger.error("answer not kept", completion_id=exchange.completion_id, reason=str(error))


@cache
def is_captured(project: str, model: str, version: int) -> bool:
    """What the recipe of the run that made this version says; none of it ever changes."""
    run_id = Versions(env().models_table).get(project, model, version).run_id
    return get_run(env().runs_table, run_id).request.recipe.monitor.capture


def measurements(exchange: Exchange) -> dict[MetricName, float]:
    return {
        MetricName.REQUESTS: 1,
        MetricName.ERRORS: 0,
        MetricName.PROMPT_TOKENS: exchange.usage.prompt_tokens,
        MetricName.COMPLETION_TOKENS: exchange.usage.completion_tokens,
        MetricName.LATENCY: exchange.latency_seconds,
    }


def model_of(champion: Alias) -> Model:
    created = int(datetime.fromisoformat(champion.moved_at).timestamp())
    return Model(id=champion.model, created=created, owned_by=champion.project)


lambda_handler = api.handler
