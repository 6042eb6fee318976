"""`scorecard_run`: our run beside saved responses of hosted services, on the same pictures,
with agreement and cost.
"""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightfast.base.errors import DataError, UnknownName
from lightfast.baselines.responses import load_responses
from lightfast.baselines.services import Scorecard, ServicePredictions, score_services, service_predictions
from lightfast.data.images import ImageSet
from lightfast.evaluate.predictions import Predictions
from lightfast.pages.scorecard import THOUSAND, ReaderCost, ScorecardResult, write_scorecard_page
from lightfast.runs.folder import TOUCH_FILE, record_scoring, without_seen
from lightfast.runs.options import RunOptions
from lightfast.runs.pictures import load_labelled
from lightfast.runs.record import envelope, written

if TYPE_CHECKING:
    from lightfast.models.checkpoint import Checkpoint

_WARM_UP = 32
_HOUR = 3600.0


@dataclass(frozen=True)
class Prices:
    """What reading costs.

    Attributes:
        services: name → price of 1,000 pictures, in any one currency.
        hourly: price of an hour of this machine in the same currency, or None: then our cost is told in
            seconds alone.
    """

    services: Mapping[str, float] = field(default_factory=dict)
    hourly: float | None = None


def scorecard_run(
    run: str,
    source: str,
    responses: Path,
    options: RunOptions,
    prices: Prices | None = None,
    synonyms: Path | None = None,
) -> ScorecardResult:
    """Score a run and the services whose responses are saved, on the same labelled pictures.

    Pictures that the run was trained or chosen on are left out; the scoring is recorded in
    RUN/evaluations.jsonl; where RUN cannot be written, in OUT/evaluations.jsonl, with a note.

    Args:
        run: run folder, or `hf-hub:ID`.
        source: folder, manifest, `.npz` or catalogue name; of official parts the test part is read.
        responses: folder (or file) of saved responses, see `baselines.responses`.
        options: with `out`, metrics.json and report.html are written there.
        prices: of the services and of this machine.
        synonyms: JSON, YAML or CSV file: service label → class, or class → list of labels.

    Raises DataError when no response belongs to a picture;
    UnknownName for a price of a service that has none.
    """
    from lightfast.models.load import load_classifier

    started, prices = time.perf_counter(), prices or Prices()
    options.require_out()
    answers, unreadable = load_responses(responses)
    words = load_synonyms(synonyms) if synonyms else {}
    classifier = load_classifier(run, options.device)
    given = load_labelled(source, classifier, options)
    images, notes = without_seen(Path(run), given.images) if Path(run).is_dir() else (given.images, ())
    # Paired with all pictures: an answer about one that the run has seen is left out with it, not taken for
    # an answer about nothing.
    paired, odd = service_predictions(answers, given.images.ids, given.images.class_names, words)
    paired_predictions = _of_pictures(paired, images.ids)
    if not paired_predictions and (lost := (*unreadable, *odd)):
        raise DataError(
            f"none of the {len(lost):,} responses could be used, the first is {lost[0].path}: "
            f"{lost[0].reason}",
            cure="Save every answer as it came, under the name of its picture.",
        )
    _check_prices(prices, paired_predictions)
    ours, seconds = _timed(classifier, images, Path(run).name or run)
    card = score_services(ours, paired_predictions)
    command = options.command or f"scorecard {images.name}"
    scoring = record_scoring(run, images.version, command, options.beside(TOUCH_FILE))
    read = replace(given, unreadable=(*given.unreadable, *unreadable, *odd))
    result = ScorecardResult(
        **envelope(read, images, options, started, (*notes, *scoring.notes)),
        touched_before=scoring.before,
        card=card,
        run=run,
        n=len(images),
        costs=reader_costs(card, prices, seconds),
    )
    return written(options.out, result, write_scorecard_page)


def _of_pictures(
    paired_predictions: Sequence[ServicePredictions], ids: Sequence[str]
) -> tuple[ServicePredictions, ...]:
    """The predictions of these pictures alone; services that answered none of them are gone."""
    kept = set(ids)
    few = [
        replace(one, ranked={name: row for name, row in one.ranked.items() if name in kept})
        for one in paired_predictions
    ]
    return tuple(one for one in few if one.ranked)


def reader_costs(card: Scorecard, prices: Prices, seconds: float) -> dict[str, ReaderCost]:
    """Name of the reader → what 1,000 pictures take.

    Ours is measured: `seconds` a picture.
    """
    mine = None if prices.hourly is None else THOUSAND * seconds * prices.hourly / _HOUR
    names = [one.service.name for one in card.services]
    return {card.ours.name: ReaderCost(THOUSAND * seconds, mine)} | {
        name: ReaderCost(price_per_1000=prices.services.get(name)) for name in names
    }


def load_synonyms(path: Path) -> dict[str, str]:
    """Service label → class out of a JSON or YAML mapping (label: class, or class:
    [labels]) or a CSV file of two columns.
    """
    try:
        content = _content(path)
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"cannot read {path} ({' '.join(str(error).split())})") from error
    if not isinstance(content, dict):
        raise DataError(
            f"{path}: synonyms",
            expected="a mapping label: class, or class: [labels]",
            got=type(content).__name__,
        )
    found: dict[str, str] = {}
    for key, value in content.items():
        found |= (
            {str(label): str(key) for label in value} if isinstance(value, list) else {str(key): str(value)}
        )
    return found


def _content(path: Path) -> Any:
    """What a file of synonyms holds: of two columns the first → the second."""
    import yaml

    text = path.read_text(encoding="utf-8-sig")
    if path.suffix.lower() != ".csv":
        parse = yaml.safe_load if path.suffix.lower() in (".yaml", ".yml") else json.loads
        try:
            return parse(text)
        except yaml.YAMLError as error:
            raise ValueError(error) from error
    rows = [row for row in csv.reader(StringIO(text)) if row and row != ["label", "class"]]
    if odd := [row for row in rows if len(row) != 2]:
        raise DataError(f"{path}: a row of synonyms", expected="label,class", got=str(odd[0]))
    return dict(rows)


def _timed(classifier: Checkpoint, images: ImageSet, name: str) -> tuple[Predictions, float]:
    """Our predictions, and seconds a picture after a warm-up, pixels in memory."""
    from lightfast.evaluate.predict import predict

    predict(classifier, images.take(range(min(_WARM_UP, len(images)))))
    started = time.perf_counter()
    paired_predictions = predict(classifier, images)
    return replace(paired_predictions, name=name), (time.perf_counter() - started) / len(images)


def _check_prices(prices: Prices, paired_predictions: Sequence[ServicePredictions]) -> None:
    names = [one.service for one in paired_predictions]
    for name in prices.services:
        if name not in names:
            raise UnknownName("service in `prices`", name, names)
