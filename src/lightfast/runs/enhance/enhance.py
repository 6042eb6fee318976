"""`enhance_run`: learn the picture changes that help a frozen classifier, prove them on pictures kept apart,
or refuse them.
"""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from lightfast.base.errors import CheckpointError
from lightfast.base.files import load_json, write_json
from lightfast.base.plain import as_json
from lightfast.data.dataset import concatenate
from lightfast.evaluate.metrics import score
from lightfast.evaluate.predict import calibrate
from lightfast.models.build import build_network
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.enhanced import prepend_enhancer
from lightfast.models.load import REFUSED, load_classifier, model_summary
from lightfast.pages.classes import hardest_pairs
from lightfast.pages.enhance import (
    EnhancedScores,
    EnhanceFigures,
    EnhanceResult,
    EnhancerFacts,
    Leak,
    write_enhance_page,
)
from lightfast.report.envelope import Envelope
from lightfast.report.provenance import provenance
from lightfast.restore.enhance import Enhanced, EnhancerPlan, fit_enhancer, weights_digest
from lightfast.restore.gate import EnhancerScores, Refit, apply_gate, verdict
from lightfast.restore.measure import Measured, judge, measure
from lightfast.restore.refit import measure_refit
from lightfast.runs.enhance.data import EnhanceData, load_enhance_data, remember_seen
from lightfast.runs.enhance.measure import (
    UnseenClassifier,
    load_unseen_classifiers,
    record_transfers,
    shown_changes,
    transfer_gains,
)
from lightfast.runs.enhance.options import EnhanceOptions, check_base, enhancer_plan, load_enhancer, no_damage
from lightfast.runs.fit import write_val_predictions
from lightfast.runs.folder import (
    METRICS_FILE,
    PREDICTIONS_FILE,
    RECIPE_FILE,
    TOUCH_FILE,
    begin,
    claimed,
    record_evaluation,
    record_scoring,
    require_free,
    write_history,
)
from lightfast.runs.options import RunOptions
from lightfast.runs.record import finished, run_settings, sizes_of

_MADE_BY = "enhance"
LEAKED = "full"
"""The folder of the second, leaking training's state."""


@dataclass(frozen=True, eq=False)
class EnhanceTask:
    """All that one `enhance` works with: as it was typed,
    and what was loaded for it before anything is learnt.
    """

    run: str
    source: str
    enhance_options: EnhanceOptions
    options: RunOptions
    folder: Path
    classifier: Checkpoint
    material: EnhanceData
    unseen_classifiers: tuple[UnseenClassifier, ...]
    plan: EnhancerPlan | None
    enhancer: Checkpoint | None

    @property
    def behind(self) -> list[str]:
        """The runs that the result stands on."""
        return [one for one in (self.run, self.enhance_options.use) if one]

    def settings(self) -> dict[str, Any]:
        """The content of run.json."""
        told, material = ("suite", "gate", "protocol", "transfer", "use", "limit"), self.material
        config = {
            "run": self.run,
            "classifier": weights_digest(self.classifier.torch_network),
            **{name: as_json(getattr(self.enhance_options, name)) for name in told},
        }
        return {
            **run_settings(_MADE_BY, self.source, material.splits, self.options),
            "data_version": material.version,
            "split_seed": material.split_seed,
            "image_size": list(material.splits.train.image_shape[:2]),
            "own_split": material.own,
            "model": "enhanced",
            "config": config,
            "recipe": as_json(self.plan) if self.plan else {},
        }


def enhance_run(
    run: str, source: str, options: RunOptions, *, enhance_options: EnhanceOptions | None = None
) -> EnhanceResult:
    """Learn an enhancer for the frozen classifier of `run` on the training pictures of `source`, or take one
    that is there.

    λ, the epoch and the gate go by the validation pictures; the test pictures are read once, at the end. What
    passes the gate is a run folder like that of `train`. What does not is refused: the report and the figures
    are written, the enhancer lies in OUT/refused, and there is no OUT/checkpoint, so that no other verb uses
    it by accident.

    Args:
        run: run folder, or `hf-hub:ID`; an enhanced run is allowed.
        source: labelled pictures with the classes of the run: folder, manifest, `.npz` or catalogue name.
        options: `out` is the folder to write; `seed` splits data that the run was not trained on; an
            interrupted run goes on with `resume`.
        enhance_options: see `EnhanceOptions`.

    Returns: what was found; its `as_json` is the content of metrics.json.

    Raises:
        CheckpointError: a forest, any number of labels a picture, other classes, `out` is one of the runs or
            holds another.
        DataError: no labels, or nothing is left to test on. UnknownName, SettingsError: options that
            cannot be met.
    """
    task = _task(run, source, enhance_options or EnhanceOptions(), options)
    if begin(task.folder, task.settings(), resume=options.resume):
        return _loaded(task.folder)
    with claimed(task.folder):
        return _enhance(task)


def _task(run: str, source: str, wanted: EnhanceOptions, options: RunOptions) -> EnhanceTask:
    """Load everything, and refuse what cannot be met before anything is written."""
    folder, use = options.folder("enhance"), wanted.use
    plan = None if use else enhancer_plan(wanted)
    if wanted.measured is None and wanted.gate == "degraded":
        raise no_damage(f"{use} was measured under none")
    for one in filter(None, (run, *wanted.transfer, use)):
        if Path(one).resolve() == folder.resolve():
            raise CheckpointError(f"{folder} is the run {one} itself", cure="Give another folder as `out`.")
    require_free(folder, resume=options.resume)
    classifier = load_classifier(run, options.device)
    check_base(classifier, run)
    if plan is not None:  # a network that cannot be built for these pictures is refused now
        build_network(plan.model, "restorer", classifier.image_shape, 0, dict(plan.config))
    enhancer = load_enhancer(use, options) if use else None
    if enhancer is not None:
        prepend_enhancer(enhancer, classifier)
    material = load_enhance_data(classifier, source, [run, *([use] if use else [])], options, wanted.limit)
    unseen = load_unseen_classifiers(wanted.transfer, classifier, material.splits.test, options, enhancer)
    return EnhanceTask(run, source, wanted, options, folder, classifier, material, unseen, plan, enhancer)


def _loaded(folder: Path) -> EnhanceResult:
    """A finished run as it was written, its pictures and arrays apart."""
    told = load_json(folder / METRICS_FILE)
    figures = TypeAdapter(EnhanceFigures).validate_python(told)
    shared = {one.name: told[one.name] for one in dataclasses.fields(Envelope) if one.name in told}
    return EnhanceResult(**vars(figures), **shared, scores=told)


def _enhance(task: EnhanceTask) -> EnhanceResult:
    (learnt, trained), options, material = _learn(task), task.options, task.material
    leaked = _learn_leaked(task) if task.enhance_options.protocol == "full" else None
    started, test, enhancer = time.perf_counter(), material.splits.test, learnt.enhancer
    own = _measured(task, learnt.checkpoint)
    full = leaked and _measured(task, leaked, leak=True).scores
    transferred = record_transfers(task.unseen_classifiers, test, options)
    transfer = transfer_gains(task.unseen_classifiers, enhancer, own, transferred, options)
    command = options.command or f"enhance {test.name}"
    scorings = [record_scoring(task.run, test.version, command, options.beside(TOUCH_FILE)), *transferred]
    seconds = {"train": round(trained, 3), "test": round(time.perf_counter() - started, 3)}
    both = {key: one for key, one in (("clean", own.clean), ("degraded", own.degraded)) if one}
    scores = _scores(task, learnt, own)
    result = EnhanceResult(
        data=material.splits.train.name.split("/")[0],
        data_version=material.version,
        seed=scores.after.seed,
        unreadable=material.unreadable,
        notes=(*material.notes, *chain.from_iterable(one.notes for one in scorings)),
        seconds=seconds,
        touched_before=scorings[0].before,
        provenance=provenance(material.version, options.seed, seconds, options.words),
        **_verdict(task, learnt),
        paired=own.scores.clean,
        degraded=own.scores.degraded,
        by_kind=own.scores.by_kind,
        transfer=transfer,
        leak=_leak(sizes_of(material.splits), full, own.scores) if full else None,
        refit=None if task.plan is None else _refit(task, task.plan, own),
        scores=scores,
        shown={key: shown_changes(enhancer, one, key) for key, one in both.items()},
        history=enhancer.history,
        summary=model_summary(enhancer),
    )
    write_enhanced(task, learnt)
    if result.accepted:
        own.clean.after.unseen().save(task.folder / PREDICTIONS_FILE)
    return finished(task.folder, result, write_enhance_page)


def _measured(task: EnhanceTask, checkpoint: Checkpoint, *, leak: bool = False) -> Measured:
    return measure(
        (task.classifier, checkpoint),
        task.material.splits.test,
        task.enhance_options.measured,
        seed=task.options.seed,
        report=task.options.report,
        leak=leak,
    )


def _refit(task: EnhanceTask, plan: EnhancerPlan, own: Measured) -> Refit:
    """The control: the classifier refitted on what the enhancer learnt on, under the same damage."""
    splits, mix = task.material.splits, plan.mix
    sides, options = (splits.train, splits.val), task.options
    return measure_refit(task.classifier, sides, mix, own, seed=options.seed, report=options.report)


def _scores(task: EnhanceTask, learnt: Enhanced, own: Measured) -> EnhancedScores:
    after = score(own.clean.after)
    return EnhancedScores(
        after=after,
        before=score(own.clean.before),
        hardest_pairs=hardest_pairs(after),
        model=learnt.checkpoint.model,
        parameters=_count(learnt.checkpoint),
        temperature=learnt.checkpoint.temperature,
        test_version=task.material.splits.test.version,
        epochs=len(learnt.enhancer.history),
    )


def _verdict(task: EnhanceTask, learnt: Enhanced) -> dict[str, Any]:
    """What was asked for and decided: fields of `EnhanceFigures`."""
    enhancer, wanted = learnt.enhancer, task.enhance_options
    facts = EnhancerFacts(
        model=enhancer.model,
        config=dict(enhancer.config),
        parameters=_count(enhancer),
        plan=enhancer.details.get("plan"),
        strength=enhancer.details.get("strength"),
        tried=enhancer.details.get("tried", ()),
        used_from=wanted.use,
    )
    return {
        "run": str(task.folder),
        "base": task.run,
        "source": task.source,
        "base_model": task.classifier.model,
        "accepted": learnt.gate.passed,
        "reason": learnt.gate.reason,
        "parts": sizes_of(task.material.splits),
        "suite": wanted.suite,
        "protocol": wanted.protocol,
        "enhancer": facts,
        "gate": learnt.gate,
    }


def _learn(task: EnhanceTask) -> tuple[Enhanced, float]:
    """(the enhancer, fitted or the one that is there, judged on the validation pictures by the gate that was
    asked for; seconds).
    """
    started, splits, mix = time.perf_counter(), task.material.splits, task.enhance_options.measured
    if task.enhancer is not None:
        checkpoint = calibrate(prepend_enhancer(task.enhancer, task.classifier), splits.val)
        made = Enhanced(checkpoint, task.enhancer, verdict(None))
    else:
        training = task.options.training(task.folder)
        made = fit_enhancer(task.classifier, splits.train, splits.val, plan=task.plan, training=training)
    judged = made.gate
    if task.enhancer is not None or (judged.degraded is None and mix is not None):
        judged = judge(task.classifier, made.checkpoint, splits.val, mix, seed=task.options.seed)
    # A classifier from the hub has no data of its own; behind an enhancer it takes pictures of one size, as
    # trained ones do.
    data = {"data": splits.train.name, "data_version": task.material.version}
    checkpoint = made.checkpoint.replace(details={**data, **made.checkpoint.details})
    learnt = sum(row.get("seconds", 0.0) for row in made.enhancer.history) if task.plan else 0.0
    gate = apply_gate(task.enhance_options.gate, judged)
    return Enhanced(checkpoint, made.enhancer, gate), max(time.perf_counter() - started, learnt)


def _learn_leaked(task: EnhanceTask) -> Checkpoint:
    """The same plan learnt on the test pictures too: the paper's "(full)" protocol.

    It is measured, never kept.
    """
    splits = task.material.splits
    everything = concatenate([part for part in (splits.train, splits.val, splits.test) if len(part)])
    training = task.options.training(task.folder / ".training" / LEAKED)
    return fit_enhancer(task.classifier, everything, splits.val, plan=task.plan, training=training).checkpoint


def _leak(parts: dict[str, int], full: EnhancerScores, honest: EnhancerScores) -> Leak:
    """The figures of the leaking protocol, the honest ones beside them."""
    said = (
        f"LEAK: this enhancer was trained on the {parts['test']:,} test pictures too; its figures are no "
        "estimate of what it does on new pictures"
    )
    return Leak(**vars(full), said=said, trained_on=parts, honest=honest)


def _count(checkpoint: Checkpoint) -> int:
    # All of them, also those that were frozen while the enhancer learnt.
    return sum(parameter.numel() for parameter in checkpoint.torch_network.parameters())


def write_enhanced(task: EnhanceTask, learnt: Enhanced) -> None:
    """Write the checkpoint and what stands beside it; of a refused enhancer only the enhancer,
    where no verb looks for a classifier.
    """
    folder, splits, plan = task.folder, task.material.splits, task.plan
    recipe = {} if plan is None else {**plan.recipe.model_dump(), "plan": as_json(plan)}
    write_json(
        folder / RECIPE_FILE,
        {"model": learnt.checkpoint.model, "config": dict(learnt.checkpoint.config), **recipe},
    )
    write_history(folder, learnt.enhancer.history)
    learned_on = (splits.val,) if task.enhance_options.use else (splits.train, splits.val)
    remember_seen(folder, task.behind, *learned_on)
    record_evaluation(folder, splits.test.version, _MADE_BY)
    if learnt.gate.passed:
        learnt.checkpoint.save(folder / "checkpoint")
        write_val_predictions(folder, learnt.checkpoint, splits.val)
    else:
        learnt.enhancer.save(folder / REFUSED)
