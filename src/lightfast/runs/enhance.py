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
from lightfast.base.files import read_json, write_json
from lightfast.data.dataset import concatenate
from lightfast.evaluate.metrics import score
from lightfast.evaluate.predict import calibrate
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.enhanced import put_before
from lightfast.models.load import REFUSED, load_classifier
from lightfast.pages.classes import hardest_pairs
from lightfast.pages.enhance import EnhanceStory, write_enhance_page
from lightfast.report.provenance import provenance
from lightfast.restore.enhance import EnhancerPlan, Gate, fit_enhancer, judge, weights_digest
from lightfast.restore.measure import Measured, decide, measure
from lightfast.runs.enhance_data import Material, read_material, remember_seen
from lightfast.runs.enhance_measure import Stranger, open_strangers, transferred
from lightfast.runs.enhance_options import EnhanceWish, check_base, check_fits, load_enhancer, plan_of
from lightfast.runs.folder import (
    METRICS_FILE,
    PREDICTIONS_FILE,
    RECIPE_FILE,
    REPORT_FILE,
    begin,
    claimed,
    finish,
    touch,
    write_history,
)
from lightfast.runs.options import RunOptions

MADE_BY = "enhance"
LEAKED = "full"
"""The folder of the second, leaking training's state."""


@dataclass(frozen=True, eq=False)
class Task:
    """All that one `enhance` works with: as it was typed,
    and what was loaded for it before anything is learnt.
    """

    run: str
    source: str
    wish: EnhanceWish
    options: RunOptions
    folder: Path
    classifier: Checkpoint
    material: Material
    strangers: tuple[Stranger, ...]
    plan: EnhancerPlan | None
    enhancer: Checkpoint | None

    @property
    def behind(self) -> list[str]:
        """The runs that the result stands on."""
        return [self.run, *([self.wish.use] if self.wish.use else [])]

    def settings(self) -> dict[str, Any]:
        """The content of run.json."""
        wish = self.wish
        config = {
            "run": self.run,
            "classifier": weights_digest(self.classifier.torch_network),
            "suite": wish.suite,
            "gate": wish.gate,
            "protocol": wish.protocol,
            "transfer": list(wish.transfer),
            "use": wish.use,
            "limit": wish.limit,
        }
        return {
            "made_by": MADE_BY,
            **self.material.as_run(self.source, self.options),
            "model": "enhanced",
            "config": config,
            "recipe": self.plan.as_json() if self.plan else {},
            "command": self.options.command,
        }


@dataclass(frozen=True, eq=False)
class Learnt:
    """An enhancer, the classifier behind it, and the verdict of the gate that was asked for."""

    checkpoint: Checkpoint
    enhancer: Checkpoint
    gate: Gate
    seconds: float


def enhance_run(
    run: str, source: str, options: RunOptions, *, wish: EnhanceWish | None = None
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
        wish: see `EnhanceWish`.

    Returns: the content of metrics.json: the keys of `train_run` for the enhanced classifier on the test
        pictures, and accepted, reason, enhancer, gate, before (`Evaluation.as_json` without the enhancer),
        paired, degraded, by_kind, touched_before (how often the base run's readings of these test pictures
        were recorded before; None for a classifier without a run), transfer, leak, protocol, suite.

    Raises:
        CheckpointError: a forest, any number of labels a picture, other classes, `out` is one of the runs or
            holds another.
        DataError: no labels, or nothing is left to test on. UnknownName, SettingsError: a wish that cannot be
            met.
    """
    wish, folder = wish or EnhanceWish(), options.folder("enhance")
    plan = None if wish.use else plan_of(wish)
    if wish.measured is None and wish.gate == "degraded":
        raise SettingsError(
            f"--gate degraded goes by degraded pictures, and {wish.use} was measured under none",
            cure="Name a suite with --degrade, or take another --gate.",
        )
    for one in (run, *wish.transfer, *([wish.use] if wish.use else [])):
        if Path(one).resolve() == folder.resolve():
            raise CheckpointError(f"{folder} is the run {one} itself", cure="Give another folder with --out.")
    classifier = load_classifier(run, options.device)
    check_base(classifier, run)
    if plan is not None:
        check_fits(plan, classifier)
    enhancer = load_enhancer(wish.use, options) if wish.use else None
    if enhancer is not None:
        put_before(enhancer, classifier)
    material = read_material(
        classifier, source, [run, *([wish.use] if wish.use else [])], options, wish.limit
    )
    strangers = open_strangers(wish.transfer, classifier, material.splits.test, options, enhancer)
    task = Task(run, source, wish, options, folder, classifier, material, strangers, plan, enhancer)
    if begin(folder, task.settings(), resume=options.resume):
        return read_json(folder / METRICS_FILE)
    with claimed(folder):
        return _enhance(task)


def _enhance(task: Task) -> dict[str, Any]:
    learnt, options, wish = _learn(task), task.options, task.wish
    leaked = _learn_leaked(task) if wish.protocol == "full" else None
    started = time.perf_counter()
    test = task.material.splits.test
    own = measure(
        task.classifier, learnt.checkpoint, test, wish.measured, seed=options.seed, report=options.report
    )
    full = leaked and measure(
        task.classifier, leaked, test, wish.measured, seed=options.seed, report=options.report
    )
    moved = transferred(task.strangers, learnt.enhancer, own, options)
    touched = (
        touch(Path(task.run), test.version, options.command or f"enhance {test.name}")
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
        EnhanceStory(learnt.checkpoint, learnt.enhancer, learnt.gate, own, full),
        metrics,
        facts,
    )
    write_json(task.folder / METRICS_FILE, metrics)
    finish(task.folder)
    return metrics


def _learn(task: Task) -> Learnt:
    """Fit the enhancer, or put the one that is there before the classifier;
    judge it on the validation pictures.
    """
    started, splits, mix = time.perf_counter(), task.material.splits, task.wish.measured
    if task.enhancer is not None:
        checkpoint = calibrate(put_before(task.enhancer, task.classifier), splits.val)
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
    return Learnt(checkpoint.replace(details=details), enhancer, decide(task.wish.gate, judged), seconds)


def _learn_leaked(task: Task) -> Checkpoint:
    """The same plan learnt on the test pictures too: the paper's "(full)" protocol.

    It is measured, never kept.
    """
    splits = task.material.splits
    everything = concatenate([part for part in (splits.train, splits.val, splits.test) if len(part)])
    training = task.options.training(task.folder / ".training" / LEAKED)
    return fit_enhancer(task.classifier, everything, splits.val, plan=task.plan, training=training).checkpoint


def leak_figures(task: Task, own: Measured, full: Measured) -> dict[str, Any]:
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


def enhanced_metrics(task: Task, learnt: Learnt, own: Measured) -> dict[str, Any]:
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
            "used_from": task.wish.use,
        },
        "gate": {
            "kind": task.wish.gate,
            **gate.as_json(),
            "degraded_would_pass": decide("degraded", gate).passed,
        },
        "before": score(own.clean.before).as_json(),
        "paired": tested["clean"],
        "degraded": tested["degraded"],
        "by_kind": tested["by_kind"],
        "suite": task.wish.suite,
        "protocol": task.wish.protocol,
    }


def _count(checkpoint: Checkpoint) -> int:
    # All of them, also those that were frozen while the enhancer learnt.
    return sum(parameter.numel() for parameter in checkpoint.torch_network.parameters())


def write_enhanced(task: Task, learnt: Learnt, own: Measured) -> None:
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
    learned_on = (splits.val,) if task.wish.use else (splits.train, splits.val)
    remember_seen(folder, task.behind, *learned_on)
    touch(folder, splits.test.version, MADE_BY)
    if not learnt.gate.passed:
        learnt.enhancer.save(folder / REFUSED)
        return
    own.clean.after.save(folder / PREDICTIONS_FILE)
    learnt.checkpoint.save(folder / "checkpoint")
