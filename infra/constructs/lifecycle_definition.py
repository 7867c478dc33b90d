"""The lifecycle of a run as states, stage by stage: read `definition` first, then down the page.

The state machine's document is `contracts.lifecycle.LifecycleState`; every path into it is spelled by `at(...)`, and
every function's input by the contract that the function parses.
"""

from functools import cached_property

from aws_cdk import Duration
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk import aws_stepfunctions_tasks as tasks
from constructs import Construct

from infra.constructs.lifecycle_steps import (
    RUN_ID,
    LifecycleParts,
    LifecycleSteps,
    one_machine,
    payload,
    retry_while_changing,
)
from tunesmith.contracts.deployments import DeploymentStatus
from tunesmith.contracts.jobs import JobName
from tunesmith.contracts.lifecycle import (
    Decision,
    GateRequest,
    LifecycleState,
    PromoteRequest,
    RegisterRequest,
    ShiftRequest,
    VerifyRequest,
    at,
)
from tunesmith.contracts.recipes import Approval, Engine
from tunesmith.contracts.runs import Outcome, RunStatus, Stage

ROLLOUT_POLL = Duration.seconds(5)
ROLLOUT_CHECKS = 720
"""An endpoint that is not verified after an hour has failed."""


class LifecycleDefinition(LifecycleSteps):
    """What comes after what, and where each failure goes."""

    def __init__(self, scope: Construct, parts: LifecycleParts):
        super().__init__(scope, parts)
        self._failures: dict[Stage, sfn.IChainable] = {}

    def definition(self) -> sfn.IChainable:
        """prepare -> plan -> finetune -> evaluate -> gate -> register -> approve -> roll out -> verify -> promote.

        A stage is written once its successor is: hence from the last to the first.
        """
        promoting = self._promote()
        rolling_out = self._roll_out(then=promoting)
        approving = self._approve(then=rolling_out)
        gating = self._gate_and_register(approved=approving)
        evaluating = self._evaluate(then=gating)
        finetuning = self._finetune(then=evaluating)
        planning = self._plan(train=finetuning)
        return self._prepare(then=planning)

    # --- the stages

    def _prepare(self, *, then: sfn.IChainable) -> sfn.Chain:
        resources = ("prepare", "resources")
        alone = self._run_job(JobName.PREPARE, "cpu", Stage.PREPARE, size=one_machine(*resources))
        together = self._run_job_on_nodes(JobName.PREPARE, Stage.PREPARE, *resources)
        where = (
            sfn.Choice(self, "Prepare where?")
            .when(sfn.Condition.number_greater_than(at(*resources, "nodes"), 1), together)
            .otherwise(alone)
            .afterwards()
        )
        store = self._store_params(JobName.PREPARE, at("prepare"), Stage.PREPARE)
        return self._enter(Stage.PREPARE).next(store).next(where).next(then)

    def _plan(self, *, train: sfn.IChainable) -> sfn.Chain:
        known = payload(LifecycleState, request=at("request"), prepare=at("prepare"), approval=at("approval"))
        plan = self._invoke("Plan", "plan_run", known, Stage.PLAN, answer=at("plan"))
        decision = at("plan", "decision")
        reasons = sfn.JsonPath.list_at(at("plan", "reasons"))
        refused = self._finish("Refused", Outcome.REFUSED, reasons=reasons, tell=True)
        prepared = self._finish("Prepared", Outcome.PREPARED, reasons=reasons)
        choice = (
            sfn.Choice(self, "Train?")
            .when(sfn.Condition.string_equals(decision, Decision.TRAIN), train)
            .when(sfn.Condition.string_equals(decision, Decision.PREPARED), prepared)
            .otherwise(refused)
        )
        return self._enter(Stage.PLAN).next(plan).next(choice)

    def _finetune(self, *, then: sfn.IChainable) -> sfn.Chain:
        cpu = self._run_job(JobName.FINETUNE, "cpu", Stage.FINETUNE)
        gpu = self._run_job(JobName.FINETUNE, "gpu", Stage.FINETUNE)
        sagemaker = self._run_training_job()
        where = (
            sfn.Choice(self, "Finetune where?")
            .when(sfn.Condition.string_equals(at("plan", "engine"), Engine.SAGEMAKER), sagemaker)
            .when(sfn.Condition.boolean_equals(at("plan", "gpu"), True), gpu)
            .otherwise(cpu)
            .afterwards()
        )
        store = self._store_params(JobName.FINETUNE, at("plan", "finetune"), Stage.FINETUNE)
        return self._enter(Stage.FINETUNE).next(store).next(where).next(then)

    def _evaluate(self, *, then: sfn.IChainable) -> sfn.Chain:
        where = (
            sfn.Choice(self, "Evaluate where?")
            .when(
                sfn.Condition.boolean_equals(at("plan", "gpu"), True),
                self._run_job(JobName.EVALUATE, "gpu", Stage.EVALUATE),
            )
            .otherwise(self._run_job(JobName.EVALUATE, "cpu", Stage.EVALUATE))
            .afterwards()
        )
        store = self._store_params(JobName.EVALUATE, at("plan", "evaluate"), Stage.EVALUATE)
        return self._enter(Stage.EVALUATE).next(store).next(where).next(then)

    def _gate_and_register(self, *, approved: sfn.IChainable) -> sfn.Chain:
        judged = payload(GateRequest, request=at("request"), plan=at("plan"))
        gate = self._invoke("Gate", "gate_model", judged, Stage.GATE, answer=at("verdict"))
        candidate = payload(RegisterRequest, request=at("request"), plan=at("plan"), verdict=at("verdict"))
        register = self._invoke("Register", "register_model", candidate, Stage.REGISTER, answer=at("version"))
        mirror = self._invoke("Mirror", "mirror_model", at("version"), Stage.REGISTER)
        rejected = self._finish(
            "Rejected",
            Outcome.REJECTED,
            reasons=sfn.JsonPath.list_at(at("verdict", "reasons")),
            version=sfn.JsonPath.number_at(at("version", "version")),
        )
        choice = (
            sfn.Choice(self, "Good enough?")
            .when(sfn.Condition.boolean_equals(at("verdict", "approved"), True), approved)
            .otherwise(rejected)
        )
        entered = self._enter(Stage.GATE).next(gate).next(self._enter(Stage.REGISTER))
        return entered.next(register).next(mirror).next(choice)

    def _approve(self, *, then: sfn.IChainable) -> sfn.Choice:
        """What a person decided is mirrored once more: it was pending when the version was registered."""
        mirror = self._invoke("Mirror the approval", "mirror_model", at("version"), Stage.APPROVE)
        wait_for_a_person = self._enter(Stage.APPROVE).next(self._ask_for_approval()).next(mirror).next(then)
        return (
            sfn.Choice(self, "Who approves?")
            .when(sfn.Condition.string_equals(at("approval"), Approval.MANUAL), wait_for_a_person)
            .otherwise(then)
        )

    def _roll_out(self, *, then: sfn.IChainable) -> sfn.Chain:
        """Ask for the new version, then look until it serves, has failed, or has taken too long."""
        asked = payload(ShiftRequest, request=at("request"), version=at("version"))
        shift = self._invoke("Shift traffic", "shift_traffic", asked, Stage.ROLLOUT, answer=at("deployment"))
        retry_while_changing(shift)
        wait = sfn.Wait(self, "Wait for the endpoint", time=sfn.WaitTime.duration(ROLLOUT_POLL))
        looked_at = payload(VerifyRequest, deployment=at("deployment"))
        verify = self._invoke("Verify", "verify_deployment", looked_at, Stage.VERIFY, answer=at("deployment"))
        status = at("deployment", "status")
        choice = (
            sfn.Choice(self, "Does it serve?")
            .when(sfn.Condition.string_equals(status, DeploymentStatus.VERIFIED), then)
            .when(sfn.Condition.string_equals(status, DeploymentStatus.FAILED), self._rollout_failed())
            .when(
                sfn.Condition.number_greater_than_equals(at("watch", "checks"), ROLLOUT_CHECKS),
                self._rollout_too_slow(),
            )
            .otherwise(wait)
        )
        wait.next(self._count_checks("Count looks", f"States.MathAdd({at('watch', 'checks')}, 1)")).next(verify)
        verify.next(choice)
        return self._enter(Stage.ROLLOUT).next(self._count_checks("Start counting", 0)).next(shift).next(verify)

    def _promote(self) -> sfn.Chain:
        moved = payload(PromoteRequest, version=at("version"), deployment=at("deployment"), run_id=RUN_ID)
        promote = self._invoke("Promote", "promote_model", moved, Stage.PROMOTE)
        version = sfn.JsonPath.number_at(at("version", "version"))
        done = self._finish("Promoted", Outcome.PROMOTED, version=version)
        return self._enter(Stage.PROMOTE).next(promote).next(done)

    # --- what goes wrong

    def _failure(self, stage: Stage) -> sfn.IChainable:
        """Where a failure in this stage goes: what was half rolled out is taken back; then it is recorded, told, and
        the execution fails."""
        if stage not in self._failures:
            undone = stage in (Stage.ROLLOUT, Stage.VERIFY, Stage.PROMOTE)
            self._failures[stage] = self._taken_back if undone else self._record_failure(stage)
        return self._failures[stage]

    @cached_property
    def _taken_back(self) -> sfn.IChainable:
        restored = payload(ShiftRequest, request=at("request"), version=at("version"), restore=True)
        restore = self._task("Restore the champion", "shift_traffic", restored)
        retry_while_changing(restore)
        restore.add_catch(self._not_taken_back(), errors=["States.ALL"], result_path=at("restore_failure"))
        return restore.next(self._record_failure(Stage.ROLLOUT, outcome=Outcome.ROLLED_BACK))

    def _not_taken_back(self) -> sfn.TaskStateBase:
        """The run failed, and so did the way back: a person must hear of both."""
        cause = sfn.JsonPath.string_at(at("restore_failure", "Cause"))
        told = sfn.JsonPath.format("the champion could not be restored: {}", cause)
        return self._record_failure(Stage.VERIFY, reasons=sfn.JsonPath.array(told))

    def _record_failure(self, stage: Stage, **facts: object) -> sfn.TaskStateBase:
        record = self._record(f"Record failed {stage}", RunStatus.FAILED, stage, failure=at("failure"), **facts)
        record.add_catch(self._tell_failure, errors=["States.ALL"], result_path=sfn.JsonPath.DISCARD)
        record.next(self._tell_failure)
        return record

    @cached_property
    def _tell_failure(self) -> tasks.SnsPublish:
        failed = sfn.Fail(self, "Failed", error_path=at("failure", "Error"), cause_path=at("failure", "Cause"))
        tell = self._tell("Tell of the failure", "a run failed", failure=at("failure"))
        tell.add_catch(failed, errors=["States.ALL"], result_path=sfn.JsonPath.DISCARD)
        tell.next(failed)
        return tell

    def _rollout_failed(self) -> sfn.IChainable:
        reason = sfn.JsonPath.string_at(at("deployment", "reason"))
        return self._as_failure("Rollout failed", "DeploymentFailed", reason).next(self._failure(Stage.ROLLOUT))

    def _rollout_too_slow(self) -> sfn.IChainable:
        minutes = ROLLOUT_CHECKS * ROLLOUT_POLL.to_seconds() // 60
        cause = f"the endpoint was not verified within {minutes} minutes"
        return self._as_failure("Rollout too slow", "DeploymentTimedOut", cause).next(self._failure(Stage.ROLLOUT))

    def _as_failure(self, name: str, error: str, cause: str) -> sfn.Pass:
        return sfn.Pass(self, name, parameters={"Error": error, "Cause": cause}, result_path=at("failure"))
