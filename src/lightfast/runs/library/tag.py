"""`library tag`: a run looks at the pictures of a library; its validation pictures say how far to believe."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightfast.base.errors import DataError
from lightfast.base.files import load_json
from lightfast.data.dataset import Unreadable
from lightfast.evaluate.predictions import Predictions
from lightfast.evaluate.review import ReviewRule, ReviewThreshold, review_threshold
from lightfast.library.label_numbers import label_numbers
from lightfast.library.library import Library
from lightfast.library.promote import list_models, place_of_run, run_of
from lightfast.library.tag import ModelFacts, register_model, tag_assets
from lightfast.runs.folder import METRICS_FILE, VAL_PREDICTIONS_FILE
from lightfast.runs.options import RunOptions
from lightfast.runs.predict.predict import tagger_for
from lightfast.tagging.runtime import Tagger


@dataclass(frozen=True)
class LibraryTagResult:
    """What `library tag` did: by which model and rule (None: nothing was accepted), and how many pictures;
    the first of those that it could not see are `named`.
    """

    model: str
    model_id: int
    rule: str | None
    threshold: float | None
    seen: int
    accepted: int
    queued: int
    decided: int
    lost: int
    unreached: int
    named: tuple[Unreadable, ...]
    notes: tuple[str, ...]


def tag_library(
    library: Library,
    run: str,
    options: RunOptions,
    accept: ReviewRule | None = None,
    *,
    by: int | None = None,
) -> LibraryTagResult:
    """Let the classifier of `run` see every picture of the library that it has not seen.

    Args:
        library: is written.
        run: run folder, an `.onnx` that `export` wrote, or `hf-hub:ID`.
        options: `device`, `report`, and who reads the files (`tag_files`).
        accept: which predictions become tags without a person: those whose confidence proves a precision on
            the run's validation pictures, or whose two highest probabilities lie far enough apart. None:
            a model with one label a picture only suggests.
        by: number of the user who wants it, for the audit of the labels that the model brings.

    Raises SettingsError where the validation pictures cannot prove the wanted precision.
    """
    with tagger_for(run, options) as tagger:
        rule = None if accept is None else _threshold(accept, tagger, _run_folder(run))
        number = register_model(library.store, model_facts(library, run, tagger))
        names = tagger.card.class_names
        library.store.act(lambda connection: label_numbers(connection, names, by=by))
        found = tag_assets(library, tagger, number, rule, report=options.report, tag=options.tag_files)
        notes = (*tagger.notes, *([] if rule is None else [f"accepted from {rule.sentence()}"]))
    text = None if accept is None else f"{accept.kind} {accept.value:g}"
    cut = None if rule is None else rule.threshold
    return LibraryTagResult(Path(run).name, number, text, cut, **vars(found), notes=notes)


def promoted_run(library: Library) -> str:
    """The run of the model that is in use; raises DataError where none was promoted."""
    used = next((one for one in list_models(library.store) if one.in_use), None)
    if used is None:
        raise DataError("the library has no model yet", cure="Name a run: lightfast library tag LIBRARY RUN.")
    return run_of(library, used)


def _threshold(accept: ReviewRule, tagger: Tagger, folder: Path) -> ReviewThreshold:
    path = folder / VAL_PREDICTIONS_FILE
    known = Predictions.load(path) if path.is_file() else None
    if known is not None and known.class_names != tagger.card.class_names:
        raise DataError(f"{path} was made for another class list than the model", cure="Train again.")
    return review_threshold(accept, known)


def model_facts(library: Library, run: str, tagger: Tagger) -> ModelFacts:
    """What the library notes of the model of `run`, read by `tagger`."""
    path = _run_folder(run) / METRICS_FILE
    metrics: dict[str, Any] = {}
    if path.is_file():
        said = load_json(path)
        metrics = {name: said[name] for name in ("accuracy", "accuracy_interval", "n") if name in said}
    card = tagger.card
    digest = card.source_digest or f"{card.model}-{card.data_version}-{card.seed}-{run}"
    return ModelFacts(Path(run).name or run, place_of_run(library, run), digest, card.class_names, metrics)


def _run_folder(run: str) -> Path:
    """The folder of a run, also where its exported file is named."""
    return Path(run).parent if run.lower().endswith(".onnx") else Path(run)
