"""Blinded tests of people in a library: of a run's test pictures, or of the library's own untouched part.

LIBRARY/human/ID/    a test each (`baselines.kept_test`)
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, select

from lightfast.base.errors import DataError
from lightfast.baselines.human import Trial, draw_sample
from lightfast.baselines.kept_test import TEST_FILE, TestFacts, load_facts, save_test
from lightfast.data.dataset import ImageSpec
from lightfast.data.images import ImageSet
from lightfast.library.held_out import count_use, held_out_assets, hold_out, learned_from
from lightfast.library.labelled import LabelledAsset, LabelledAssets, labelled_assets
from lightfast.library.ledger import Spent
from lightfast.library.library import Library
from lightfast.library.promote import list_models, run_of
from lightfast.library.schema import decision_table, tags, users
from lightfast.library.store import in_pages
from lightfast.runs.folder import RUN_FILE, load_run, record_scoring, without_seen
from lightfast.runs.human import HeldOut, held_out, predictions_on_sample
from lightfast.runs.library.pile import TrainingPile, write_pile
from lightfast.runs.options import RunOptions
from lightfast.runs.pictures import prepare

_ID = "picture "
LARGEST_SIDE = 512
"""Pixels a side of the pictures that people see where no model says how large they are."""


@dataclass(frozen=True)
class HumanTestPlan:
    """Which test is to be made.

    Attributes:
        data: what `human` takes as DATA; None: pictures of the library that people confirmed, its untouched
            part.
        run: run folder of the model on the same pictures; None: of the library's pictures the model in use
            where there is one, of `data` none.
        n: pictures in the sample, at most.
        seed: of the sample and of everybody's order.
    """

    data: str | None = None
    run: str | None = None
    n: int = 100
    seed: int = 0


def make_human_test(library: Library, options: RunOptions, plan: HumanTestPlan) -> TestFacts:
    """Draw the sample, let the model predict it, and keep both in the library: the test that people take.

    The same plan over the same pictures is the same test. Pictures of the library that are drawn are held out
    from then on: no later training sees them.

    Raises:
        DataError: no pictures that can be asked about. CheckpointError: `run` is no run folder.
    """
    options, own = replace(options, seed=plan.seed), plan.data is None
    run = plan.run or (_run_in_use(library) if own else None)
    held = _untouched(library, options, run) if plan.data is None else held_out(plan.data, options, run)
    sample = held.images.take(draw_sample(held.images, plan.n, held.seed))
    folder = library.human_tests / Trial(sample.version, sample.class_names, held.seed, len(sample)).id
    if (folder / TEST_FILE).is_file():
        return load_facts(folder)
    predictions = None if run is None else predictions_on_sample(run, sample, options)
    few = f"there are {len(sample):,} distinct pictures, fewer than {plan.n:,}: all of them are asked"
    facts = TestFacts(
        id=folder.name,
        source=plan.data or "the library",
        model=None if predictions is None else predictions.name,
        class_names=sample.class_names,
        n=len(sample),
        seed=held.seed,
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        labelled_by=_hold_out(library, sample) if own else {},
        notes=(*held.notes, *([few] if len(sample) < plan.n else [])),
    )
    made = save_test(folder, facts, sample, predictions).facts
    # Counted once the test is there: one that a crash cut short is made anew, and counts once.
    if run is not None:
        _count(library, run, sample, options.command or f"human test {folder.name}", own)
    return made


def _count(library: Library, run: str, sample: ImageSet, command: str, own: bool) -> None:
    """Note that these pictures were scored with `run`: the library's `own` untouched part wears by it."""
    record_scoring(run, sample.version, command, None)
    if own:
        count_use(library.store, {"human_test": len(sample)})


def kept_tests(library: Library) -> tuple[TestFacts, ...]:
    """The tests of a library, the newest first."""
    found = [load_facts(path.parent) for path in library.human_tests.glob(f"*/{TEST_FILE}")]
    return tuple(sorted(found, key=lambda one: (one.made_at, one.id), reverse=True))


def _run_in_use(library: Library) -> str | None:
    """The run folder of the model in use; None where there is none, or it came without its folder."""
    used = next((one for one in list_models(library.store) if one.in_use), None)
    run = None if used is None else run_of(library, used)
    return run if run is not None and (Path(run) / RUN_FILE).is_file() else None


def _untouched(library: Library, options: RunOptions, run: str | None) -> HeldOut:
    """The pictures with one confirmed label that no training has seen, as the model gets them: the untouched
    part, or all of a library that never trained. Their ids are "picture NUMBER".
    """
    free = _free_pictures(library)
    known, spec = _of_run(run, options)
    asked = [one for one in free if known is None or one.labels[0] in known]
    if len({one.labels[0] for one in asked}) < 2:
        raise DataError(
            "too few pictures to ask about",
            expected="pictures of at least two labels that people confirmed and no training has seen",
            got=f"{len(asked):,} pictures",
            cure="Confirm more in the review, or name `data`.",
        )
    images, notes = _read(library, asked, options, spec)
    if run is not None:
        images, seen = without_seen(Path(run), images)
        notes += seen
    if len(asked) < len(free):
        notes += (f"{len(free) - len(asked):,} pictures have labels that the model does not know: left out",)
    return HeldOut(images, (), notes, options.seed)


def _free_pictures(library: Library) -> list[LabelledAsset]:
    """Those with one label that no training has seen."""
    labelled = labelled_assets(library)
    with library.store.read() as connection:
        held, learned = held_out_assets(connection), learned_from(connection)
    single = [one for one in labelled.pictures if len(one.labels) == 1]
    return [one for one in single if (one.asset_id in held if held else one.asset_id not in learned)]


def _of_run(run: str | None, options: RunOptions) -> tuple[frozenset[str] | None, ImageSpec]:
    """The classes that a run knows (None without one), and how large people see its pictures."""
    if run is None:
        return None, ImageSpec(options.image_size, largest_side=LARGEST_SIDE)
    from lightfast.models.load import load_classifier

    height, width, channels = load_run(Path(run))["image_shape"]
    return frozenset(load_classifier(run, options.device).class_names), ImageSpec((height, width), channels)


def _read(
    library: Library, asked: Sequence[LabelledAsset], options: RunOptions, spec: ImageSpec
) -> tuple[ImageSet, tuple[str, ...]]:
    pile = TrainingPile(LabelledAssets(tuple(asked), (), 0, {}), Spent(0, 0, 0), (), (), ())
    path = write_pile(library.human_tests / f".{secrets.token_hex(4)}.csv", pile)
    try:
        prepared = prepare(str(path), options, target=spec, near="none")
    finally:
        path.unlink(missing_ok=True)
    images = prepared.data.part("all")
    numbers = {str(one.path): one.asset_id for one in asked}
    ids = tuple(f"{_ID}{numbers[name]}" for name in images.ids)
    return replace(images, ids=ids, name="the library", parent=None, history=()), prepared.data.notes


def _hold_out(library: Library, sample: ImageSet) -> dict[str, int]:
    """Keep the drawn pictures out of every later training, and say who labelled how many of them."""
    numbers = [int(name.removeprefix(_ID)) for name in sample.ids]
    hold_out(library.store, numbers)
    with library.store.read() as connection:
        return dict(_labellers(connection, numbers))


def _labellers(connection: Connection, numbers: Iterable[int]) -> Counter[str]:
    found: Counter[str] = Counter()
    for page in in_pages(numbers):
        found.update(
            connection.execute(
                select(users.c.name)
                .join(decision_table, decision_table.c.user_id == users.c.id)
                .join(tags, tags.c.decision_id == decision_table.c.id)
                .where(tags.c.asset_id.in_(page), tags.c.state == "confirmed")
            ).scalars()
        )
    return found
