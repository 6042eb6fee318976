"""`enhance_run`: learn the picture changes that help a frozen classifier, prove them on pictures kept apart,
or refuse them.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightfast.base.errors import CheckpointError, SettingsError
from lightfast.base.files import load_json, write_json
from lightfast.data.dataset import concatenate
from lightfast.evaluate.metrics import score
from lightfast.evaluate.predict import calibrate
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.enhanced import prepend_enhancer
from lightfast.models.load import REFUSED, load_classifier
from lightfast.pages.classes import hardest_pairs
from lightfast.pages.enhance import EnhanceReport, write_enhance_page
from lightfast.report.provenance import provenance
from lightfast.restore.enhance import EnhancerPlan, fit_enhancer, weights_digest
from lightfast.restore.gate import Gate, judge
from lightfast.restore.measure import EnhancerScores, apply_gate, measure
from lightfast.runs.enhance_data import EnhanceData, load_enhance_data, remember_seen
from lightfast.runs.enhance_measure import UnseenClassifier, load_unseen_classifiers, transfer_gains
from lightfast.runs.enhance_options import (
    EnhanceOptions,
    check_base,
    check_fits,
    enhancer_plan,
    load_enhancer,
)
from lightfast.runs.folder import (
    METRICS_FILE,
    PREDICTIONS_FILE,
    RECIPE_FILE,
    REPORT_FILE,
    begin,
    claimed,
    finish,
    record_evaluation,
    write_history,
)
from lightfast.runs.options import RunOptions

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
        return [self.run, *([self.enhance_options.use] if self.enhance_options.use else [])]

    def settings(self) -> dict[str, Any]:
        """The content of run.json."""
        enhance_options = self.enhance_options
        config = {
            "run": self.run,
            "classifier": weights_digest(self.classifier.torch_network),
            "suite": enhance_options.suite,
            "gate": enhance_options.gate,
            "protocol": enhance_options.protocol,
            "transfer": list(enhance_options.transfer),
            "use": enhance_options.use,
            "limit": enhance_options.limit,
        }
        return {
            "made_by": _MADE_BY,
            **self.material.as_run(self.source, self.options),
            "model": "enhanced",
            "config": config,
            "recipe": self.plan.as_json() if self.plan else {},
            "command": self.options.command,
        }


@dataclass(frozen=True, eq=False)
class FittedEnhancer:
    """An enhancer, the classifier behind it, and the verdict of the gate that was asked for."""

    checkpoint: Checkpoint
    enhancer: Checkpoint
    gate: Gate
    seconds: float


def enhance_run(
    run: str, source: str, options: RunOptions, *, enhance_options: EnhanceOptions | None = None
) -> dict[str, Any]:
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

    Returns: the content of metrics.json: the keys of `train_run` for the enhanced classifier on the test
        pictures, and accepted, reason, enhancer, gate, before (`Evaluation.as_json` without the enhancer),
        paired, degraded, by_kind, touched_before (how often the base run's predictions of these test pictures
        were recorded before; None for a classifier without a run), transfer, leak, protocol, suite.

    Raises:
        CheckpointError: a forest, any number of labels a picture, other classes, `out` is one of the runs or
            holds another.
        DataError: no labels, or nothing is left to test on. UnknownName, SettingsError: a wish that cannot be
            met.
    """
    enhance_options, folder = enhance_options or EnhanceOptions(), options.folder("enhance")
    plan = None if enhance_options.use else enhancer_plan(enhance_options)
    if enhance_options.measured is None and enhance_options.gate == "degraded":
        raise SettingsError(
            f"--gate degraded goes by degraded pictures, and {enhance_options.use} was measured under none",
            cure="Name a suite with --degrade, or take another --gate.",
        )
    for one in (run, *enhance_options.transfer, *([enhance_options.use] if enhance_options.use else [])):
        if Path(one).resolve() == folder.resolve():
            raise CheckpointError(f"{folder} is the run {one} itself", cure="Give another folder with --out.")
    classifier = load_classifier(run, options.device)
    check_base(classifier, run)
    if plan is not None:
        check_fits(plan, classifier)
    enhancer = load_enhancer(enhance_options.use, options) if enhance_options.use else None
    if enhancer is not None:
        prepend_enhancer(enhancer, classifier)
    material = load_enhance_data(
        classifier,
        source,
        [run, *([enhance_options.use] if enhance_options.use else [])],
        options,
        enhance_options.limit,
    )
    unseen_classifiers = load_unseen_classifiers(
        enhance_options.transfer, classifier, material.splits.test, options, enhancer
    )
    task = EnhanceTask(
        run,
        source,
        enhance_options,
        options,
        folder,
        classifier,
        material,
        unseen_classifiers,
        plan,
        enhancer,
    )
    if begin(folder, task.settings(), resume=options.resume):
        return load_json(folder / METRICS_FILE)
    with claimed(folder):
        return _enhance(task)


def _enhance(task: EnhanceTask) -> dict[str, Any]:
    learnt, options, enhance_options = _learn(task), task.options, task.enhance_options
    leaked = _learn_leaked(task) if enhance_options.protocol == "full" else None
    started = time.perf_counter()
    test = task.material.splits.test
    own = measure(
        task.classifier,
        learnt.checkpoint,
        test,
        enhance_options.measured,
        seed=options.seed,
        report=options.report,
    )
    full = leaked and measure(
        task.classifier, leaked, test, enhance_options.measured, seed=options.seed, report=options.report
    )
    moved = transfer_gains(task.unseen_classifiers, learnt.enhancer, own, options)
    touched = (
        record_evaluation(Path(task.run), test.version, options.command or f"enhance {test.name}")
        if Path(task.run).is_dir()
        else None
    )
    metrics = {
        **enhanced_metrics(task, learnt, own),
        "touched_before": touched,
        "transfer": moved,
        "leak": None if full is None else leak_figures(task, own, full),
        "seconds": {"train": round(learnt.seconds, 3), "test": round(time.perf_counter() - started, 3)},
    }
    write_enhanced(task, learnt, own)
    facts = provenance(task.material.version, options.seed, metrics["seconds"], options.words)
    write_enhance_page(
        task.folder / REPORT_FILE,
        EnhanceReport(learnt.checkpoint, learnt.enhancer, learnt.gate, own, full),
        metrics,
        facts,
    )
    write_json(task.folder / METRICS_FILE, metrics)
    finish(task.folder)
    return metrics


def _learn(task: EnhanceTask) -> FittedEnhancer:
    """Fit the enhancer, or put the one that is there before the classifier;
    judge it on the validation pictures.
    """
    started, splits, mix = time.perf_counter(), task.material.splits, task.enhance_options.measured
    if task.enhancer is not None:
        checkpoint = calibrate(prepend_enhancer(task.enhancer, task.classifier), splits.val)
        judged = judge(task.classifier, checkpoint, splits.val, mix, seed=task.options.seed)
        enhancer = task.enhancer
    else:
        fitted = fit_enhancer(
            task.classifier,
            splits.train,
            splits.val,
            plan=task.plan,
            training=task.options.training(task.folder),
        )
        checkpoint, enhancer, judged = fitted.checkpoint, fitted.enhancer, fitted.gate
        if judged.degraded is None and mix is not None and len(splits.val):
            judged = judge(task.classifier, checkpoint, splits.val, mix, seed=task.options.seed)
    # A classifier from the hub has no data of its own; behind an enhancer it takes pictures of one size, as
    # trained ones do.
    details = {"data": splits.train.name, "data_version": task.material.version, **checkpoint.details}
    seconds = max(
        time.perf_counter() - started,
        sum(row.get("seconds", 0.0) for row in enhancer.history) if task.plan else 0.0,
    )
    return FittedEnhancer(
        checkpoint.replace(details=details), enhancer, apply_gate(task.enhance_options.gate, judged), seconds
    )


def _learn_leaked(task: EnhanceTask) -> Checkpoint:
    """The same plan learnt on the test pictures too: the paper's "(full)" protocol.

    It is measured, never kept.
    """
    splits = task.material.splits
    everything = concatenate([part for part in (splits.train, splits.val, splits.test) if len(part)])
    training = task.options.training(task.folder / ".training" / LEAKED)
    return fit_enhancer(task.classifier, everything, splits.val, plan=task.plan, training=training).checkpoint


def leak_figures(task: EnhanceTask, own: EnhancerScores, full: EnhancerScores) -> dict[str, Any]:
    """What metrics.json says of the leaking protocol: every figure marked, the honest ones beside them."""
    parts = task.material.parts
    said = (
        f"LEAK: this enhancer was trained on the {parts['test']:,} test pictures too; its figures are no "
        "estimate of what it does on new pictures"
    )
    return {
        **full.as_json(leak=True),
        "protocol": "full",
        "said": said,
        "trained_on": parts,
        "honest": own.as_json(leak=False),
    }


def enhanced_metrics(task: EnhanceTask, learnt: FittedEnhancer, own: EnhancerScores) -> dict[str, Any]:
    """The content of metrics.json, transfer, leak and seconds apart."""
    material, enhancer, gate = task.material, learnt.enhancer, learnt.gate
    after, plan = score(own.clean.after), enhancer.details.get("plan")
    tested = own.as_json(leak=False)
    return {
        **after.as_json(),
        "hardest_pairs": hardest_pairs(after),
        "run": str(task.folder),
        "model": learnt.checkpoint.model,
        "parameters": _count(learnt.checkpoint),
        "temperature": learnt.checkpoint.temperature,
        "data": material.splits.train.name.split("/")[0],
        "data_version": material.version,
        "test_version": material.splits.test.version,
        "parts": material.parts,
        "epochs": len(enhancer.history),
        "unreadable": list(material.unreadable),
        "notes": list(material.notes),
        "accepted": gate.passed,
        "reason": gate.reason,
        "base": task.run,
        "source": task.source,
        "base_model": task.classifier.model,
        "enhancer": {
            "model": enhancer.model,
            "config": dict(enhancer.config),
            "parameters": _count(enhancer),
            "plan": plan,
            "strength": enhancer.details.get("strength"),
            "tried": enhancer.details.get("tried", []),
            "used_from": task.enhance_options.use,
        },
        "gate": {
            "kind": task.enhance_options.gate,
            **gate.as_json(),
            "degraded_would_pass": apply_gate("degraded", gate).passed,
        },
        "before": score(own.clean.before).as_json(),
        "paired": tested["clean"],
        "degraded": tested["degraded"],
        "by_kind": tested["by_kind"],
        "suite": task.enhance_options.suite,
        "protocol": task.enhance_options.protocol,
    }


def _count(checkpoint: Checkpoint) -> int:
    # All of them, also those that were frozen while the enhancer learnt.
    return sum(parameter.numel() for parameter in checkpoint.torch_network.parameters())


def write_enhanced(task: EnhanceTask, learnt: FittedEnhancer, own: EnhancerScores) -> None:
    """Write the checkpoint and what stands beside it; of a refused enhancer only the enhancer,
    where no verb looks for a classifier.
    """
    folder, splits, plan = task.folder, task.material.splits, task.plan
    recipe: Mapping[str, Any] = {} if plan is None else {**plan.recipe.model_dump(), "plan": plan.as_json()}
    write_json(
        folder / RECIPE_FILE,
        {"model": learnt.checkpoint.model, "config": dict(learnt.checkpoint.config), **recipe},
    )
    write_history(folder, learnt.enhancer.history)
    learned_on = (splits.val,) if task.enhance_options.use else (splits.train, splits.val)
    remember_seen(folder, task.behind, *learned_on)
    record_evaluation(folder, splits.test.version, _MADE_BY)
    if not learnt.gate.passed:
        learnt.enhancer.save(folder / REFUSED)
        return
    own.clean.after.save(folder / PREDICTIONS_FILE)
    learnt.checkpoint.save(folder / "checkpoint")
