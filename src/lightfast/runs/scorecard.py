"""`scorecard_run`: our run beside saved responses of hosted services, on the same pictures,
with agreement and cost.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from lightfast.base.errors import DataError, SettingsError, UnknownName
from lightfast.base.files import make_folder, read_json, write_json
from lightfast.baselines.services import Readings, Scorecard, read_responses, readings_of, score_services
from lightfast.cli.lines import columns
from lightfast.data.images import ImageSet
from lightfast.evaluate.predict import predict
from lightfast.evaluate.predictions import Predictions
from lightfast.models.checkpoint import Checkpoint
from lightfast.pages.compare import p_text
from lightfast.pages.run import noted
from lightfast.report.page import Card, Cards, Cell, Figure, Folded, Part, Section, Table, Text, write_page
from lightfast.report.provenance import provenance
from lightfast.report.statistics import interval_figure
from lightfast.report.tables import percent, percent_range, points, points_cell, share_cell, share_text
from lightfast.runs.evaluate import load_classifier
from lightfast.runs.folder import METRICS_FILE, REPORT_FILE, RunOptions, touch, without_seen
from lightfast.runs.pictures import read_labelled

THOUSAND = 1000
SHOWN_LABELS = 40
SHOWN_MISSING = 200
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
) -> dict[str, Any]:
    """Score a run and the services whose responses are saved, on the same labelled pictures.

    Pictures that the run was trained or chosen on are left out; the scoring is recorded in
    RUN/evaluations.jsonl.

    Args:
        run: run folder, or `hf-hub:ID`.
        source: folder, manifest, `.npz` or catalogue name; of official parts the test part is read.
        responses: folder (or file) of saved responses, see `evaluate.services`.
        options: with `out`, metrics.json and report.html are written there.
        prices: of the services and of this machine.
        synonyms: JSON, YAML or CSV file: service label → class, or class → list of labels.

    Returns: the keys of `Scorecard.as_json`, and run, data, data_version, n, costs, touched_before,
    unreadable, notes, seconds.

    Raises DataError when no response belongs to a picture; UnknownName for a price of a service that has
    none.
    """
    started, prices = time.perf_counter(), prices or Prices()
    answers, unreadable = read_responses(responses)
    words = read_synonyms(synonyms) if synonyms else {}
    classifier = load_classifier(run, options)
    given = read_labelled(source, classifier, options)
    images, notes = without_seen(Path(run), given.images) if Path(run).is_dir() else (given.images, ())
    # Paired with all pictures: an answer about one that the run has seen is left out with it, not taken for
    # an answer about nothing.
    paired, odd = readings_of(answers, given.images.ids, given.images.class_names, words)
    readings = _of_pictures(paired, images.ids)
    if not readings and (lost := (*unreadable, *odd)):
        raise DataError(
            f"none of the {len(lost):,} responses could be used, the first is {lost[0].path}: "
            f"{lost[0].reason}",
            cure="Save every answer as it came, under the name of its picture.",
        )
    _check_prices(prices, readings)
    ours, seconds = _timed(classifier, images, Path(run).name or run)
    card = score_services(ours, readings)
    touched = (
        touch(Path(run), images.version, options.command or f"scorecard {images.name}")
        if Path(run).is_dir()
        else None
    )
    result = {
        **card.as_json(),
        "run": run,
        "data": images.name.split("/")[0],
        "data_version": images.version,
        "n": len(images),
        "costs": costs(card, prices, seconds),
        "touched_before": touched,
        "unreadable": [asdict(one) for one in (*given.unreadable, *unreadable, *odd)],
        "notes": [*given.notes, *notes],
        "seconds": round(time.perf_counter() - started, 3),
    }
    if options.out is not None:
        folder = make_folder(Path(options.out))
        facts = provenance(images.version, options.seed, {"scorecard": result["seconds"]}, options.words)
        write_scorecard_page(folder / REPORT_FILE, card, result, facts)
        write_json(folder / METRICS_FILE, result)
    return result


def _of_pictures(readings: Sequence[Readings], ids: Sequence[str]) -> tuple[Readings, ...]:
    """The readings of these pictures alone; services that answered none of them are gone."""
    kept = set(ids)
    few = [
        replace(one, ranked={name: row for name, row in one.ranked.items() if name in kept})
        for one in readings
    ]
    return tuple(one for one in few if one.ranked)


def costs(card: Scorecard, prices: Prices, seconds: float) -> dict[str, dict[str, float | None]]:
    """Reader → seconds and price of 1,000 pictures; None where not known.

    Ours is measured: `seconds` a picture.
    """
    mine = None if prices.hourly is None else THOUSAND * seconds * prices.hourly / _HOUR
    told = {card.ours.name: {"seconds_per_1000": THOUSAND * seconds, "price_per_1000": mine}}
    names = [one.service.name for one in card.versus]
    return told | {
        name: {"seconds_per_1000": None, "price_per_1000": prices.services.get(name)} for name in names
    }


def parse_prices(pairs: Sequence[str], hourly: float | None = None) -> Prices:
    """`NAME=X` texts as prices; raises SettingsError for one that is no such pair, or below 0."""
    found: dict[str, float] = {}
    for pair in pairs:
        name, sign, text = pair.partition("=")
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if not sign or not name.strip() or not 0 <= value < float("inf"):
            raise SettingsError(
                f"--price {pair!r}",
                expected="NAME=PRICE of 1,000 pictures",
                cure="E.g. --price clarifai=1.2.",
            )
        found[name.strip().lower()] = value
    if hourly is not None and not 0 <= hourly < float("inf"):
        raise SettingsError(f"--hourly {hourly}", expected="a price of at least 0")
    return Prices(found, hourly)


def read_synonyms(path: Path) -> dict[str, str]:
    """Service label → class out of a JSON or YAML mapping (label: class, or class:
    [labels]) or a CSV file of two columns.
    """
    if path.suffix.lower() == ".csv":
        try:
            with path.open(encoding="utf-8-sig", newline="") as stream:
                rows = [row for row in csv.reader(stream) if row]
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"cannot read {path} ({error})") from error
        if any(len(row) != 2 for row in rows):
            raise DataError(
                f"{path}: a row of synonyms",
                expected="label,class",
                got=next(str(row) for row in rows if len(row) != 2),
            )
        return {label: name for label, name in rows if (label, name) != ("label", "class")}
    content = _yaml(path) if path.suffix.lower() in (".yaml", ".yml") else read_json(path)
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


def scorecard_lines(result: Mapping[str, Any]) -> list[str]:
    """Accuracy beside cost, ours against each service, agreement: for a terminal."""
    rows = [
        _line(result["ours"], result["costs"]),
        *(_line(one["service"], result["costs"]) for one in result["services"]),
    ]
    tests = []
    for one in result["services"]:
        low, high = one["test"]["difference_interval"]
        tests.append(
            (
                f"{one['service']['name']} → {one['ours']['name']}",
                f"{one['test']['n']:,}",
                percent(one["ours"]["top1"]),
                f"{points(one['test']['difference'])} [{points(low)} to {points(high)}]",
                p_text(one["p_holm"]),
            )
        )
    agreement = [
        (f"{one['first']} – {one['second']}", f"{one['n']:,}", percent(one["observed"], 1), _kappa(one))
        for one in result["agreement"]
    ]
    return [
        *columns(
            ("reader", "n", "top 1", "top 3", "no class named", "price of 1,000", "seconds for 1,000"), rows
        ),
        *columns(("pair, same pictures", "n", "ours", "difference in points", "p (Holm)"), tests),
        *columns(("agreement", "n", "same answer", "kappa"), agreement),
        "brackets: 95 % intervals; p: McNemar",
    ]


def write_scorecard_page(
    path: Path, card: Scorecard, result: Mapping[str, Any], facts: Mapping[str, Any]
) -> Path:
    """The report of `scorecard`; `result` is the content of metrics.json."""
    sections = [
        Section("Result", (_cards(card), *noted(result["notes"], result["unreadable"]))),
        Section("Accuracy and cost", _accuracy_parts(card, result)),
        Section("Ours against each service", (_pairs_table(card),)),
        Section("Agreement", (_agreement_table(card),)),
        Section("What was left aside", _left_parts(card)),
    ]
    names = ", ".join(one.service.name for one in card.versus)
    subtitle = f"Saved responses, replayed on {card.ours.n:,} pictures of {result['data']}."
    return write_page(path, f"{card.ours.name} beside {names}", subtitle, sections, facts)


def _timed(classifier: Checkpoint, images: ImageSet, name: str) -> tuple[Predictions, float]:
    """Our readings, and seconds a picture after a warm-up, pixels in memory."""
    predict(classifier, images.take(range(min(_WARM_UP, len(images)))))
    started = time.perf_counter()
    readings = predict(classifier, images)
    return replace(readings, name=name), (time.perf_counter() - started) / len(images)


def _check_prices(prices: Prices, readings: Sequence[Readings]) -> None:
    names = [one.service for one in readings]
    for name in prices.services:
        if name not in names:
            raise UnknownName("service in --price", name, names)


def _yaml(path: Path) -> Any:
    import yaml

    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DataError(f"cannot read {path} ({error})") from error


def _line(score: Mapping[str, Any], told: Mapping[str, Mapping[str, float | None]]) -> tuple[str, ...]:
    shares = [share_text(score[key], score[f"{key}_interval"]) for key in ("top1", "top3")]
    return (
        score["name"],
        f"{score['n']:,}",
        *shares,
        f"{score['unanswered']:,}",
        *_cost_texts(told[score["name"]]),
    )


def _cost_texts(cost: Mapping[str, float | None]) -> tuple[str, str]:
    price, seconds = cost["price_per_1000"], cost["seconds_per_1000"]
    told = "–" if price is None else "< 0.0001" if 0 < price < 1e-4 else f"{price:.4g}"
    return told, "–" if seconds is None else f"{seconds:.3g}"


def _kappa(one: Mapping[str, Any]) -> str:
    low, high = one["interval"]
    return "–" if one["value"] is None else f"{one['value']:.2f} [{low:.2f} to {high:.2f}]"


def _cards(card: Scorecard) -> Cards:
    scores = sorted((card.ours, *(one.service for one in card.versus)), key=lambda one: -one.top1)
    shown = [
        Card(
            percent(one.top1, 1),
            one.name,
            f"95 % interval {percent_range(one.top1_interval)}, n = {one.n:,}",
            "strong" if one is card.ours else "",
        )
        for one in scores[:5]
    ]
    return Cards(tuple(shown), " ".join(one.test.sentence() for one in card.versus))


def _accuracy_parts(card: Scorecard, result: Mapping[str, Any]) -> tuple[Part, ...]:
    scores = sorted((card.ours, *(one.service for one in card.versus)), key=lambda one: -one.top1)
    figure = Figure(
        interval_figure(
            [(one.name, one.top1, one.top1_interval) for one in scores], unit="first answer right, %"
        ),
        "First answers that are right, with 95 % intervals; the number of pictures stands in the table.",
    )
    rows = tuple(
        (
            Cell(one.name, "this run") if one is card.ours else one.name,
            f"{one.n:,}",
            share_cell(one.top1, one.top1_interval),
            share_cell(one.top3, one.top3_interval),
            f"{one.unanswered:,}",
            *_cost_texts(result["costs"][one.name]),
        )
        for one in scores
    )
    notes = (
        "Small print: 95 % Wilson intervals. Of a service only those labels count that are classes of the "
        "data; a response without any is a wrong answer (no class named).",
        "Our seconds were measured here, with the pictures in memory. Prices are those that were given; a "
        "dash: none was.",
    )
    columns_ = (
        "reader",
        "pictures",
        "top 1",
        "top 3",
        "no class named",
        "price of 1,000",
        "seconds for 1,000",
    )
    return figure, Table(columns_, rows, "Each reader on the pictures that it has answered", notes)


def _pairs_table(card: Scorecard) -> Table:
    rows = tuple(
        (
            f"{one.service.name} → {one.ours.name}",
            f"{one.test.n:,}",
            percent(one.service.top1),
            percent(one.ours.top1),
            points_cell(one.test.difference, one.test.difference_interval),
            f"{one.test.gained:,}",
            f"{one.test.lost:,}",
            Cell(p_text(one.p_holm), p_text(one.test.p_value)),
        )
        for one in card.versus
    )
    notes = (
        "Difference: ours less the service, in points, with Newcombe's 95 % interval. Gained: pictures that "
        "only ours reads rightly; lost: only the service.",
        f"p: McNemar, with Holm's correction for {len(rows)} tests; small print: without it.",
    )
    return Table(
        ("pair", "pictures", "service", "ours", "difference", "gained", "lost", "p"),
        rows,
        "The same pictures in both",
        notes,
    )


def _agreement_table(card: Scorecard) -> Table:
    rows = tuple(
        (
            f"{one} – {other}",
            f"{kappa.n:,}",
            percent(kappa.observed, 1),
            Cell("–", kappa.note)
            if kappa.value is None
            else Cell(f"{kappa.value:.2f}", "{:.2f} to {:.2f}".format(*kappa.interval)),
        )
        for one, other, kappa in card.agreement
    )
    return Table(
        ("pair", "pictures", "same first answer", "kappa"),
        rows,
        "How often two readers say the same",
        ("Kappa: agreement beyond chance, 1 = full (Cohen 1960), with its 95 % interval.",),
    )


def _left_parts(card: Scorecard) -> tuple[Part, ...]:
    parts: list[Part] = []
    for name, labels in card.unmapped.items():
        if labels:
            shown = list(labels.items())[:SHOWN_LABELS]
            told = f", the {len(shown)} most frequent" * (len(shown) < len(labels))
            table = Table(
                ("label", "responses"),
                tuple((label, f"{count:,}") for label, count in shown),
                "",
                ("Where one of them means a class, say so in a synonyms file.",),
            )
            parts.append(Folded(f"{name}: {len(labels):,} labels that are no class{told}", (table,)))
    for name, ids in card.missing.items():
        if ids:
            more = f" … and {len(ids) - SHOWN_MISSING:,} more" if len(ids) > SHOWN_MISSING else ""
            parts.append(
                Folded(
                    f"{name}: {len(ids):,} pictures without a response",
                    (Text(", ".join(ids[:SHOWN_MISSING]) + more),),
                )
            )
    return tuple(parts) or (
        Text("Nothing: every label is a class, and every picture has a response of every service."),
    )
