"""What a wanted precision costs: how many pictures a model of a library then leaves to people."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import ColumnElement, Connection, func, select

from lightfast.base.errors import DataError, SettingsError
from lightfast.evaluate.predictions import Predictions
from lightfast.evaluate.review import ReviewRule, ReviewThreshold, provable_precision, review_threshold
from lightfast.library.library import Library
from lightfast.library.promote import LibraryModel, run_of
from lightfast.library.schema import assets, predictions, tagged, tags
from lightfast.runs.folder import VAL_PREDICTIONS_FILE


@dataclass(frozen=True, eq=False)
class ReviewCost:
    """A wanted precision, its threshold, and the work that it leaves.

    Attributes:
        precision: wanted of what no person looks at, 0..1.
        threshold: with what is known of it on validation pictures; None: they cannot prove the precision.
        unproven: why there is none, or "".
        seen: pictures of the library that the model has seen and nobody has decided on.
        accepted: of these, those that the threshold lets pass; the others are for a person.
    """

    precision: float
    threshold: ReviewThreshold | None
    unproven: str
    seen: int
    accepted: int

    @property
    def queued(self) -> int:
        """Pictures for a person."""
        return self.seen - self.accepted


def review_costs(
    library: Library, model: LibraryModel, wanted: tuple[float, ...]
) -> tuple[tuple[ReviewCost, ...], float]:
    """(what each wanted precision costs, the highest that the validation pictures of the run can prove).

    By the rule of `library tag`: the lowest confidence that proves the precision. The counts are those of
    pictures that the model has seen already; nothing is predicted anew.

    Raises DataError where the run keeps no validation predictions (a model of several labels a picture
    chooses its thresholds in training), SettingsError for a precision outside 0..1.
    """
    path = Path(run_of(library, model)) / VAL_PREDICTIONS_FILE
    if not path.is_file():
        raise DataError(
            f"{model.name} keeps no predictions of validation pictures",
            cure="Train it again; a model of several labels a picture chooses its thresholds in training.",
        )
    known = Predictions.load(path)
    most = provable_precision(known)
    with library.store.read() as connection:
        costs = tuple(_cost(connection, model.id, known, value, most) for value in wanted)
    return costs, most


def _cost(
    connection: Connection, model_id: int, known: Predictions, wanted: float, most: float
) -> ReviewCost:
    rule = ReviewRule("precision", wanted)
    seen = _seen(connection, model_id)
    try:
        threshold = review_threshold(rule, known)
    except SettingsError as error:
        return ReviewCost(wanted, None, f"{error.without_cure}; at most {most:g} can be", seen, 0)
    return ReviewCost(wanted, threshold, "", seen, _reaching(connection, model_id, threshold.threshold))


def _seen(connection: Connection, model_id: int) -> int:
    wanted = (
        select(func.count())
        .select_from(tagged)
        .join(assets, assets.c.id == tagged.c.asset_id)
        .where(tagged.c.model_id == model_id, tagged.c.failed.is_(None), assets.c.deleted_at.is_(None))
        .where(~_decided(tagged.c.asset_id))
    )
    return connection.execute(wanted).scalar_one()


def _reaching(connection: Connection, model_id: int, threshold: float) -> int:
    """Undecided pictures whose most probable label reaches the threshold."""
    wanted = (
        select(func.count(predictions.c.asset_id.distinct()))
        .join(assets, assets.c.id == predictions.c.asset_id)
        .where(predictions.c.model_id == model_id, predictions.c.probability >= threshold)
        .where(assets.c.deleted_at.is_(None), ~_decided(predictions.c.asset_id))
    )
    return connection.execute(wanted).scalar_one()


def _decided(asset_id: ColumnElement[int]) -> ColumnElement[bool]:
    return select(tags.c.asset_id).where(tags.c.asset_id == asset_id, tags.c.decision_id.isnot(None)).exists()
