"""Changes of the keys of several tasks: how the effect is observed, what is changed, and what both recipes have."""

from __future__ import annotations

_SOURCES = (
    "data.train=[{path: both.jsonl, schema: alpaca, task: a}, {path: raw.jsonl, schema: alpaca, task: b}, "
    "{path: held.jsonl, schema: prompt_completion, task: a}]"
)
_TASKS = "[{name: a, objective: {name: sft}}, {name: b, objective: {name: sft}}]"
_OBJECTIVE = f"objective={{name: multitask, tasks: {_TASKS}}}"
TASKS = (_OBJECTIVE, _SOURCES)
_EVAL = (
    "data.eval={sources: [{path: held.jsonl, schema: alpaca, task: a}, "
    "{path: held.jsonl, schema: alpaca, task: b}, {path: held_too.jsonl, schema: alpaca, task: a}]}"
)
_STEPS = "train.max_steps=8"


def _part(key: str, text: str) -> tuple[str, ...]:
    return (*TASKS, f"objective.{key}={text}", _STEPS)


_STAGES = "[{tasks: [a], share: 0.5}, {tasks: [a, b], share: 0.5}]"
_P = "objective<MultitaskObjective>."

MULTITASK_CHANGES: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "data.train[].task": ("rows", ("data.train.2.task=b",), TASKS),
    "data.eval.sources[].task": ("rows", ("data.eval.sources.2.task=b",), (*TASKS, _EVAL)),
    "gates[].task": ("gates", ("gates.0.task=a",), (*TASKS, "gates=[{metric: eval_loss, max: 100}]")),
    f"{_P}name": ("rows", TASKS, ()),
    f"{_P}tasks[].name": ("rows", ("objective.tasks.1.name=c", "data.train.1.task=c"), TASKS),
    f"{_P}tasks[].objective": ("rows", ("objective.tasks.1.objective={name: sft, loss_on: all}",), TASKS),
    f"{_P}sampling<ProportionalSampling>.name": (
        "weights", ("objective.sampling={name: proportional}",), _part("sampling", "{name: round_robin}"),
    ),
    f"{_P}sampling<ProportionalSampling>.limit": (
        "weights", ("objective.sampling.limit=8",), _part("sampling", "{name: proportional}"),
    ),
    f"{_P}sampling<TemperatureSampling>.name": (
        "weights", ("objective.sampling={name: temperature}",), _part("sampling", "{name: proportional}"),
    ),
    f"{_P}sampling<TemperatureSampling>.temperature": (
        "weights", ("objective.sampling.temperature=9",), _part("sampling", "{name: temperature}"),
    ),
    f"{_P}sampling<TemperatureSampling>.limit": (
        "weights", ("objective.sampling.limit=4",), _part("sampling", "{name: temperature}"),
    ),
    f"{_P}sampling<RoundRobinSampling>.name": (
        "weights", ("objective.sampling={name: round_robin}",), _part("sampling", "{name: proportional}"),
    ),
    f"{_P}sampling<RatesSampling>.name": (
        "weights", ("objective.sampling={name: rates, rates: {a: 1, b: 9}}",),
        _part("sampling", "{name: proportional}"),
    ),
    f"{_P}sampling<RatesSampling>.rates": (
        "weights", ("objective.sampling.rates.b=9",), _part("sampling", "{name: rates, rates: {a: 1, b: 1}}"),
    ),
    f"{_P}loss_weights<StaticLossWeights>.name": (
        "weights", ("objective.loss_weights={name: static}",), _part("loss_weights", "{name: uncertainty}"),
    ),
    f"{_P}loss_weights<StaticLossWeights>.weights": (
        "weights", ("objective.loss_weights={name: static, weights: {b: 5}}",), (*TASKS, _STEPS),
    ),
    f"{_P}loss_weights<UncertaintyLossWeights>.name": (
        "weights", ("objective.loss_weights={name: uncertainty}",), (*TASKS, _STEPS),
    ),
    f"{_P}loss_weights<UncertaintyLossWeights>.learning_rate": (
        "weights", ("objective.loss_weights.learning_rate=0.5",), _part("loss_weights", "{name: uncertainty}"),
    ),
    f"{_P}loss_weights<DynamicAverageLossWeights>.name": (
        "weights", ("objective.loss_weights={name: dynamic_average, period_steps: 1}",), (*TASKS, _STEPS),
    ),
    f"{_P}loss_weights<DynamicAverageLossWeights>.temperature": (
        "weights", ("objective.loss_weights.temperature=0.1",),
        _part("loss_weights", "{name: dynamic_average, period_steps: 1}"),
    ),
    f"{_P}loss_weights<DynamicAverageLossWeights>.period_steps": (
        "weights", ("objective.loss_weights.period_steps=2",),
        _part("loss_weights", "{name: dynamic_average, period_steps: 1}"),
    ),
    f"{_P}loss_weights<GradNormLossWeights>.name": (
        "weights", ("objective.loss_weights={name: gradnorm}",), (*TASKS, _STEPS),
    ),
    f"{_P}loss_weights<GradNormLossWeights>.alpha": (
        "weights", ("objective.loss_weights.alpha=0",), _part("loss_weights", "{name: gradnorm, alpha: 9.0}"),
    ),
    f"{_P}loss_weights<GradNormLossWeights>.learning_rate": (
        "weights", ("objective.loss_weights.learning_rate=0.5",), _part("loss_weights", "{name: gradnorm}"),
    ),
    f"{_P}gradients.conflict_steps": (
        "cosines", ("objective.gradients.conflict_steps=4",), _part("gradients", "{conflict_steps: 1}"),
    ),
    f"{_P}gradients.surgery": (
        "weights", ("objective.gradients.surgery=pcgrad",),
        (*_part("gradients", "{surgery: none}"), "data.train.1.schema=prompt_completion", "train.learning_rate=0.2"),
    ),
    f"{_P}stages[].tasks": ("weights", ("objective.stages.0.tasks=[b]",), _part("stages", _STAGES)),
    f"{_P}stages[].share": (
        "weights", ("objective.stages=[{tasks: [a], share: 0.25}, {tasks: [a, b], share: 0.75}]",),
        _part("stages", _STAGES),
    ),
    f"{_P}stages[].sampling": (
        "weights", ("objective.stages.1.sampling={name: rates, rates: {a: 1, b: 9}}",), _part("stages", _STAGES),
    ),
    f"{_P}count_by": ("weights", ("objective.count_by=rows",), (*TASKS, _STEPS)),
}  # fmt: skip
"""By key: ``rows``, ``weights``, ``gates`` or ``cosines``; what the second recipe has in addition; what both have."""

WHOLE = {f"{_P}tasks[].objective", f"{_P}stages[].sampling"}
"""Keys that hold sections which stand elsewhere too, where each of their keys is tested."""
