"""`library tag`: a run looks at the pictures of a library; its validation pictures say how far to believe."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select

from lightfast.base.errors import DataError
from lightfast.base.files import load_json
from lightfast.evaluate.predictions import Predictions
from lightfast.evaluate.review import ReviewRule, ReviewThreshold, review_threshold
from lightfast.library.library import Library
from lightfast.library.schema import models
from lightfast.library.tag import ModelFacts, register_model, tag_assets
from lightfast.runs.folder import METRICS_FILE, VAL_PREDICTIONS_FILE
from lightfast.runs.options import RunOptions
from lightfast.runs.predict import tagger_for
from lightfast.tagging.runtime import Tagger


@dataclass(frozen=True)
class LibraryTagResult:
    """What `library tag` did: by which model and rule (None: nothing was accepted), and how many pictures."""

    model: str
    model_id: int
    rule: str | None
    threshold: float | None
    seen: int
    accepted: int
    queued: int
    decided: int
    lost: int
    notes: tuple[str, ...]


def tag_library(
    library: Library, run: str, options: RunOptions, accept: ReviewRule | None = None
) -> LibraryTagResult:
    """Let the classifier of `run` see every picture of the library that it has not seen.

    Args:
        library: is written.
        run: run folder, an `.onnx` that `export` wrote, or `hf-hub:ID`.
        options: `device`, `report`.
        accept: which predictions become tags without a person: those whose confidence proves a precision on
            the run's validation pictures, or whose two highest probabilities lie far enough apart. None:
            a model with one label a picture only suggests.

    Raises SettingsError where the validation pictures cannot prove the wanted precision.
    """
    with tagger_for(run, options) as tagger:
        folder = Path(run).parent if run.lower().endswith(".onnx") else Path(run)
        rule = None if accept is None else _threshold(accept, tagger, folder)
        number = register_model(library.store, _facts(run, tagger, folder))
        found = tag_assets(library, tagger, number, rule, report=options.report)
        notes = (*tagger.notes, *([] if rule is None else [f"accepted from {rule.sentence()}"]))
    text = None if accept is None else f"{accept.kind} {accept.value:g}"
    cut = None if rule is None else rule.threshold
    return LibraryTagResult(Path(run).name, number, text, cut, **asdict(found), notes=notes)


def promoted_run(library: Library) -> str:
    """The run of the model that is in use; raises DataError where none was promoted."""
    with library.store.read() as connection:
        row = connection.execute(
            select(models.c.run)
            .where(models.c.promoted_at.isnot(None), models.c.rolled_back_at.is_(None))
            .order_by(models.c.promoted_at.desc())
            .limit(1)
        ).scalar()
    if row is None:
        raise DataError("the library has no model yet", cure="Name a run: lightfast library tag LIBRARY RUN.")
    return row if Path(row).is_absolute() or row.startswith("hf-hub:") else str(library.folder / row)


def _threshold(accept: ReviewRule, tagger: Tagger, folder: Path) -> ReviewThreshold:
    path = folder / VAL_PREDICTIONS_FILE
    known = Predictions.load(path) if path.is_file() else None
    if known is not None and known.class_names != tagger.card.class_names:
        raise DataError(f"{path} was made for another class list than the model", cure="Train again.")
    return review_threshold(accept, known)


def _facts(run: str, tagger: Tagger, folder: Path) -> ModelFacts:
    path = folder / METRICS_FILE
    metrics: dict[str, Any] = {}
    if path.is_file():
        said = load_json(path)
        metrics = {name: said[name] for name in ("accuracy", "accuracy_interval", "n") if name in said}
    card = tagger.card
    digest = card.source_digest or f"{card.model}-{card.data_version}-{card.seed}-{run}"
    place = run if run.startswith("hf-hub:") else str(Path(run).absolute())
    return ModelFacts(Path(run).name or run, place, digest, card.class_names, metrics)
