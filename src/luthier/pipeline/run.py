"""Do what a plan says: stage after stage, skipping what exists, stopping at a failed gate."""

from __future__ import annotations

from pathlib import Path

from luthier.core.artifact import Artifact
from luthier.core.errors import GateFailedError
from luthier.core.events import EventLog, Listener
from luthier.core.files import remove_partial
from luthier.evaluate.report import Report
from luthier.models.load import locate_base
from luthier.pipeline.card import write_card
from luthier.pipeline.job import Job, open_job
from luthier.pipeline.phases import told_of, whole_model
from luthier.pipeline.stages import STAGES, Stage
from luthier.pipeline.story import proofs_of
from luthier.plan.lock import lock_facts
from luthier.plan.record import plan_record
from luthier.plan.resolve import Plan, rebased, resolve
from luthier.recipe.load import LoadedRecipe


def make_plan(loaded: LoadedRecipe) -> Plan:
    """Resolve a recipe; see `luthier.plan.resolve.resolve`."""
    return resolve(loaded, locate_base=locate_base)


def run(
    plan: Plan, *, until: str | None = None, fresh: bool = False, listeners: tuple[Listener, ...] = ()
) -> Job:
    """Do what a plan says, skipping every stage whose result exists.

    Args:
        plan: From `make_plan`.
        until: Name of the last stage to do; None does all.
        fresh: Delete what an earlier run of the same recipe left, and take nothing from other runs.
        listeners: Told about every event.

    Raises:
        GateFailedError: The model is made and reported, and not good enough to be registered.
        LuthierError: Any other fault that the user can mend.
    """
    before: list[Job] = []
    for phase in plan.before:
        base = _base_after(before)
        phase = rebased(phase, base) if base else phase
        announce(phase, listeners)
        before.append(run(phase, fresh=fresh, listeners=listeners))
    if base := _base_after(before):
        plan = rebased(plan, base)
        announce(plan, listeners)
    job = open_job(plan, listeners, before=[told_of(done) for done in before])
    with job.folder.exclusive():
        if fresh:
            job.folder.clear()
        if leftovers := remove_partial(job.folder.path):
            names = ", ".join(path.name for path in leftovers)
            job.events.emit(
                "warning", message=f"an earlier start was cut off; removed its half-written {names}"
            )
        begin(job)
        for stage in STAGES:
            if stage.applies(plan):
                job.artifacts[stage.name] = _do(stage, job, may_adopt=not fresh)
                job.folder.add_to_receipt(**proofs_of(job))
                if stage.name in ("train", "evaluate"):
                    write_card(job)
                if isinstance(made := job.artifacts[stage.name], Report):
                    gates_or_raise(made)
            if stage.name == until:
                break
    return job


def begin(job: Job) -> None:
    """Write down what a run was asked for and what it stands on."""
    hashes = {**job.input_hashes, **job.text_hashes}
    plan = job.plan
    job.folder.begin(recipe_text=plan.recipe_text, plan=plan_record(plan), lock=lock_facts(plan, hashes))


def announce(plan: Plan, listeners: tuple[Listener, ...]) -> None:
    """Tell which of several trainings begins."""
    log = EventLog(None)
    for listener in listeners:
        log.listen(listener)
    log.emit("phase", name=plan.recipe.name, objective=plan.recipe.objective.name)


def _base_after(done: list[Job]) -> Path | None:
    """Return the base that the last of the trainings so far leaves; None where there was none."""
    return whole_model(done[-1]) if done else None


def _do(stage: Stage, job: Job, *, may_adopt: bool) -> Artifact:
    """Return a stage's result: the one that exists, a sibling run's, or a new one."""
    digest = stage.fingerprint(job)
    folder = job.folder.path / stage.folder
    if (found := stage.artifact.load(folder)) and found.fingerprint == digest:
        job.events.emit("stage", stage=stage.name, status="cached")
        return found
    sibling = job.folder.adopt(stage.folder, digest) if may_adopt else None
    if sibling and (adopted := stage.artifact.load(folder)):
        job.events.emit("stage", stage=stage.name, status="cached", detail=f"equal to {sibling.name}'s")
        return adopted
    job.events.emit("stage", stage=stage.name, status="begin")
    made = stage.make(job, digest)
    job.events.emit("stage", stage=stage.name, status="done")
    return made


def gates_or_raise(made: Report) -> None:
    """Stop at a failed gate.

    Raises:
        GateFailedError: One failed; names each.
    """
    if not made.passed:
        failed = "".join(f"\n  {gate['text']}" for gate in made.gates if not gate["passed"])
        raise GateFailedError(
            f"a gate failed, the model is not good enough to be registered:{failed}",
            where=str(made.folder / "report.html"),
            cure="look at the report; a gate holds where the whole confidence interval does",
        )


def cached_stages(job: Job) -> dict[str, str]:
    """Return for each stage of the recipe whether a run would find its result: ``cached`` or ``to do``."""
    states: dict[str, str] = {}
    is_cached = True
    for stage in STAGES:
        if not stage.applies(job.plan):
            continue
        # The fingerprint of a stage follows from the results of those before it.
        found = stage.artifact.load(job.folder.path / stage.folder) if is_cached else None
        is_cached = found is not None and found.fingerprint == stage.fingerprint(job)
        if is_cached:
            job.artifacts[stage.name] = found
        states[stage.name] = "cached" if is_cached else "to do"
    return states
