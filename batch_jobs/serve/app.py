"""The HTTP face of a served model: SageMaker's hosting contract.

GET  /ping          200: the model is loaded (the server listens only then)
POST /invocations   {"describe": true}: what serves; else a chat completion, whole or as server-sent events
"""

import json
import logging
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.concurrency import iterate_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from batch_jobs.serve.answering import answer
from batch_jobs.serve.served import Served
from batch_jobs.serve.turns import Turns
from tunesmith.contracts.errors import InvalidInput, PlatformError
from tunesmith.contracts.openai import ChatCompletionChunk, ChatCompletionRequest
from tunesmith.domain.completions import END_OF_STREAM, event_of, fold
from tunesmith.domain.refusals import parse_body, refusal

logger = logging.getLogger("tunesmith.serve")
WAITING_PLACES = 8
JSON = "application/json"


class Server:
    """Answers requests with one model, one after the other."""

    def __init__(self, served: Served, max_new_tokens: int, waiting_places: int = WAITING_PLACES):
        self._served, self._max_new_tokens = served, max_new_tokens
        self._turns = Turns(waiting_places)

    async def ping(self, request: Request) -> Response:
        return Response()

    async def invocations(self, request: Request) -> Response:
        body = await request.body()
        if asks_for_description(body):
            return Response(self._served.identity.model_dump_json(), media_type=JSON)
        asked = parse_body(ChatCompletionRequest, body)
        chunks = self._answer(asked)
        if not asked.stream:
            whole = fold([chunk async for chunk in chunks])
            return Response(whole.model_dump_json(), media_type=JSON)
        # The first chunk is made before the status is sent, so that what goes wrong until then has its own status.
        first = await anext(chunks)
        return StreamingResponse(_events(first, chunks, asked), media_type="text/event-stream")

    async def _answer(self, asked: ChatCompletionRequest) -> AsyncIterator[ChatCompletionChunk]:
        async with self._turns.turn():
            async for chunk in iterate_in_threadpool(answer(self._served, asked, self._max_new_tokens)):
                yield chunk


def create_app(served: Served, max_new_tokens: int, waiting_places: int = WAITING_PLACES) -> Starlette:
    server = Server(served, max_new_tokens, waiting_places)
    routes = [
        Route("/ping", server.ping, methods=["GET"]),
        Route("/invocations", server.invocations, methods=["POST"]),
    ]
    handlers = {PlatformError: _refuse, Exception: _fail}
    return Starlette(routes=routes, exception_handlers=handlers)


def asks_for_description(body: bytes) -> bool:
    """Raises InvalidInput where the body is no JSON object."""
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"the body is not JSON: {error}") from error
    if not isinstance(asked, dict):
        raise InvalidInput(f"the body must be a JSON object, not {type(asked).__name__}")
    return asked == {"describe": True}


async def _events(
    first: ChatCompletionChunk, others: AsyncIterator[ChatCompletionChunk], asked: ChatCompletionRequest
) -> AsyncIterator[bytes]:
    """Once the stream has begun there is no status to change: a failure is its last event, and `[DONE]` never comes."""
    with_usage = asked.stream_options is not None and asked.stream_options.include_usage
    yield event_of(first.model_dump_json())
    try:
        async for chunk in others:
            if chunk.choices or with_usage:
                yield event_of(chunk.model_dump_json())
    except Exception as error:
        logger.exception("the model failed in the middle of an answer")
        yield event_of(refusal(error).envelope.model_dump_json())
        return
    yield END_OF_STREAM


async def _refuse(request: Request, error: Exception) -> Response:
    told = refusal(error)
    logger.info("refused a request: %s %s", told.status, told.envelope.error.code)
    return _response(error)


async def _fail(request: Request, error: Exception) -> Response:
    """Starlette logs the traceback through the server; the client learns nothing of it."""
    logger.error("failed to answer a request", exc_info=error)
    return _response(error)


def _response(error: Exception) -> Response:
    told = refusal(error)
    return JSONResponse(told.envelope.model_dump(), told.status, told.headers)
