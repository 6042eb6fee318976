"""What is known of one model of a library: the figures of its run, and what was measured with it since."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightfast.base.errors import NotFoundError
from lightfast.base.files import load_json
from lightfast.library.library import Library
from lightfast.library.promote import LibraryModel, run_of
from lightfast.runs.folder import (
    CURVE_FOLDER,
    METRICS_FILE,
    PREDICTIONS_FILE,
    REPAIR_FOLDER,
    ROBUSTNESS_FOLDER,
    RUN_FILE,
    VAL_PREDICTIONS_FILE,
)

_TOO_LONG = ("confusion", "hardest_pairs", "unreadable", "points", "out_of_fold", "near", "label_issues")


@dataclass(frozen=True, eq=False)
class LibraryModelCard:
    """A model, with whatever stands in its run folder.

    Attributes:
        model: as the library knows it.
        one_label: whether it gives each picture one label; None: its run is not there to say.
        figures: of the run's own test pictures, by the keys of metrics.json; empty where the run keeps none.
        robustness: accuracy under damage, as `evaluate` with a suite wrote it into a folder of the run.
        curve: what a sweep over training pictures in a folder of the run says of more pictures, or why it
            says nothing, a sentence each.
        test_predictions, val_predictions: whether the run keeps what it said of these pictures, one label
            each.
        repair: whether the run has a repair kit.
        ways: what is missing → the command that makes it.
    """

    model: LibraryModel
    one_label: bool | None
    figures: Mapping[str, Any]
    robustness: Mapping[str, Any] | None
    curve: tuple[str, ...]
    test_predictions: bool
    val_predictions: bool
    repair: bool
    ways: Mapping[str, str]


def library_model_card(library: Library, model: LibraryModel) -> LibraryModelCard:
    """What the run of a model tells; nothing is computed or loaded for it."""
    run = Path(run_of(library, model))
    said = _figures(run)
    results = list(_results(run))
    robustness = next((one["robustness"] for one in results if one.get("robustness")), None)
    curve = next((_of_sizes(one) for one in results if one.get("over") == "train_size"), ())
    repair = _has_repair_kit(run)
    wanted = {"robustness": robustness is None, "curve": not curve, "repair": not repair}
    ways = {name: text for name, text in _ways(run).items() if wanted[name]}
    kept = {name: value for name, value in said.items() if name not in _TOO_LONG}
    one_label = "confusion" in said if said else None
    return LibraryModelCard(
        model,
        one_label,
        kept,
        robustness,
        tuple(curve),
        test_predictions=bool(one_label) and (run / PREDICTIONS_FILE).is_file(),
        val_predictions=bool(one_label) and (run / VAL_PREDICTIONS_FILE).is_file(),
        repair=repair,
        ways=ways,
    )


def _of_sizes(said: Mapping[str, Any]) -> Sequence[str]:
    """What a sweep over sizes says; of too few or too equal ones why it says nothing."""
    return said["sentences"] or [note for note in said.get("notes", ()) if note.startswith("no ")]


def require_repair_kit(run: str) -> None:
    """Refuse a run whose folder holds no detector and restorer with their rules: raises NotFoundError."""
    if not _has_repair_kit(Path(run)):
        raise NotFoundError(
            "the model in use has no repair kit",
            cure=f"Make one: lightfast repair {run} DATA, with labelled pictures.",
        )


def _has_repair_kit(run: Path) -> bool:
    return (run / REPAIR_FOLDER / "rules.json").is_file()


def _figures(folder: Path) -> dict[str, Any]:
    path = folder / METRICS_FILE
    return load_json(path) if path.is_file() else {}


def _results(run: Path) -> Iterator[dict[str, Any]]:
    """metrics.json of every folder inside the run, the newest first."""
    found = [path for path in run.glob(f"*/{METRICS_FILE}") if path.parent.name != REPAIR_FOLDER]
    return (load_json(path) for path in sorted(found, key=lambda path: -path.stat().st_mtime))


def _ways(run: Path) -> dict[str, str]:
    """How what is missing is made; nothing for a run that is no folder of this machine."""
    if not (run / RUN_FILE).is_file():
        return {}
    source, model = (load_json(run / RUN_FILE).get(name) or name.upper() for name in ("source", "model"))
    folder = run / ROBUSTNESS_FOLDER
    return {
        "robustness": f"lightfast evaluate {run} {source} --corruptions mnist-c --out {folder}",
        "curve": f"lightfast sweep {source} --over train_size --model {model} --out {run / CURVE_FOLDER}",
        "repair": f"lightfast repair {run} DATA --out FOLDER",
    }
