"""/v1/tunesmith/...: feedback and its review, runs, registered models. Everything is the caller's own project's."""

from functools import cache

from tunesmith.adapters import catalogue, clock
from tunesmith.adapters.feedback import FeedbackRows
from tunesmith.adapters.runs import find_run, runs_of_project
from tunesmith.adapters.storage import Storage
from tunesmith.adapters.traffic import Traffic
from tunesmith.contracts.environment import ControlApiEnv
from tunesmith.contracts.errors import NotFound
from tunesmith.contracts.feedback import Feedback, FeedbackRequest, ReviewRequest
from tunesmith.contracts.keys import Scope
from tunesmith.contracts.metrics import MetricName
from tunesmith.contracts.openai import ListPage
from tunesmith.contracts.runs import Run
from tunesmith.domain.feedback import FeedbackQuery, negativity, review, stage
from tunesmith.domain.paging import PageRequest, page
from tunesmith.entry.api import Api, ApiRequest
from tunesmith.entry.measuring import measure
from tunesmith.entry.observability import logger

api = Api()
env = cache(ControlApiEnv.load)
storage = cache(Storage)


@api.route("POST", "/tunesmith/feedback", scope=Scope.FEEDBACK)
def give_feedback(request: ApiRequest) -> Feedback:
    """Counted once: the same feedback again is answered with what was kept, and measures nothing."""
    given = request.parse(FeedbackRequest)
    exchange = Traffic(env().artifacts_bucket, storage()).find(request.caller.project, given.completion_id)
    feedback = stage(given, exchange, clock.now())
    is_new = rows().stage(feedback)
    logger.append_keys(feedback_id=feedback.feedback_id, is_new=is_new)
    if not is_new:
        return rows().find(feedback.project, feedback.feedback_id)
    measure(feedback.project, feedback.model, {MetricName.NEGATIVE_FEEDBACK: negativity(feedback)})
    return feedback


@api.route("GET", "/tunesmith/feedback", scope=Scope.READ)
def list_feedback(request: ApiRequest) -> ListPage:
    asked = request.parse_query(FeedbackQuery)
    return page(rows().list(request.caller.project, asked.status), asked, lambda feedback: feedback.feedback_id)


@api.route("POST", "/tunesmith/feedback/<feedback_id>/review", scope=Scope.REVIEW)
def review_feedback(request: ApiRequest, feedback_id: str) -> Feedback:
    decision = request.parse(ReviewRequest)
    staged = rows().find(request.caller.project, feedback_id)
    reviewed = review(staged, decision, clock.now())
    if reviewed != staged:
        rows().decide(reviewed)
    return reviewed


@api.route("GET", "/tunesmith/runs", scope=Scope.READ)
def list_runs(request: ApiRequest) -> ListPage:
    found = runs_of_project(env().runs_table, request.caller.project)
    return page(found, request.parse_query(PageRequest), lambda run: run.request.run_id)


@api.route("GET", "/tunesmith/runs/<run_id>", scope=Scope.READ)
def retrieve_run(request: ApiRequest, run_id: str) -> Run:
    run = find_run(env().runs_table, run_id)
    if run is None or run.request.project != request.caller.project:
        raise NotFound(f"no run {run_id}")  # what another project has is nobody's business
    return run


@api.route("GET", "/tunesmith/models", scope=Scope.READ)
def list_versions(request: ApiRequest) -> ListPage:
    found = catalogue.versions(env().models_table, request.caller.project)
    return page(found, request.parse_query(PageRequest), lambda version: f"{version.model}@{version.version}")


def rows() -> FeedbackRows:
    return FeedbackRows(env().feedback_table)


lambda_handler = api.handler
