"""A library of many drawn pictures, for `library_search.py`: rows, tags and features without files, loaded in
steps that a second start goes on from; and a clock that reads processor time, also that of PostgreSQL.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import func, insert, select, text

from lightfast.base.files import atomic, load_json, write_json
from lightfast.curate.embed import unit_rows
from lightfast.library.feature_files import FeatureFormat, FeatureRows, append_features, counted_rows
from lightfast.library.label_numbers import label_numbers
from lightfast.library.library import Library
from lightfast.library.schema import EPOCH, MICROSECOND, assets, places, tags
from lightfast.library.store import now

WIDTH, LABELS, SOURCE = 1_280, 40, "drawn"
SHARES = {"tenth": 0.1, "hundredth": 0.01, "thousandth": 0.001}
STEP, FEATURE_BLOCK, _PART = 50_000, 20_000, 5_000


def middles(data: Path | None, work: Path) -> tuple[np.ndarray, str]:
    """(float32 (M, 1280) around which features are drawn, what they are); kept in `work`."""
    folder = data / "caltech20" if data else None
    if folder is None or not folder.is_dir():
        rng = np.random.default_rng(0)
        turned = np.linalg.qr(rng.normal(size=(WIDTH, WIDTH)))[0] * np.arange(1, WIDTH + 1) ** -0.6
        return np.maximum(rng.normal(size=(2_000, WIDTH)) @ turned, 0).astype(np.float32), "drawn middles"
    kept = work / "middles.npy"
    if not kept.is_file():
        from lightfast.curate.embed import backbone_embedder, embed_pictures
        from lightfast.data.dataset import ImageSpec
        from lightfast.data.lists.listing import load_unlabelled

        loaded = load_unlabelled([str(folder)], ImageSpec((224, 224), 3))
        vectors = embed_pictures(loaded.train, backbone_embedder()).vectors
        with atomic(kept) as temporary, temporary.open("wb") as stream:
            np.save(stream, vectors)
    return np.load(kept), "photographs of caltech20 by Lite0"


def drawn_features(real: np.ndarray, start: int, count: int) -> np.ndarray:
    """float32 (count, 1280): a mixture of two real rows, each feature scaled by up to a fifth; the same for
    the same rows.
    """
    rng = np.random.default_rng([15, start])
    first, second = rng.integers(len(real), size=(2, count))
    share = rng.beta(0.5, 0.5, size=(count, 1)).astype(np.float32)
    mixed = share * real[first] + (1 - share) * real[second]
    return mixed * (1 + 0.2 * rng.standard_normal(mixed.shape, dtype=np.float32)).clip(0)


def label_texts() -> list[str]:
    """The forty labels, and the three of SHARES."""
    return [f"label {one}" for one in range(LABELS)] + list(SHARES)


def drawn_tags(start: int, count: int, numbers: dict[str, int]) -> list[tuple[int, int, str, float]]:
    """(asset, label, state, score): two of forty labels on average, and the three of SHARES."""
    rng = np.random.default_rng([16, start])
    frequency = 2 * np.arange(1, LABELS + 1) ** -0.7 / (np.arange(1, LABELS + 1) ** -0.7).sum()
    held = rng.random((count, LABELS + len(SHARES))) < np.concatenate([frequency, list(SHARES.values())])
    rows, columns = np.nonzero(held)
    sure = rng.random(len(rows)) < 0.5
    scores = np.where(sure, 1.0, rng.random(len(rows)).round(3))
    states = np.where(sure, "confirmed", "suggested")
    ids = [numbers[name] for name in label_texts()]
    return [
        (start + int(row) + 1, ids[column], str(state), float(score))
        for row, column, state, score in zip(rows, columns, states, scores, strict=True)
    ]


class Clock:
    """Milliseconds by the clock and of processors: those of this process and, of PostgreSQL, of the processes
    that serve it (Linux). Of processes that end meanwhile nothing is known.
    """

    def __init__(self, library: Library) -> None:
        self._pids: list[int] = []
        if not library.store.is_sqlite:
            with library.store.read() as connection:
                found = connection.execute(text("SELECT pid FROM pg_stat_activity WHERE datname IS NOT NULL"))
                self._pids = list(found.scalars())

    def __call__(self, work: Callable[[], Any]) -> tuple[float, float, Any]:
        """(milliseconds, of processors, what `work` gave)."""
        begun, busy = time.perf_counter(), self._busy()
        given = work()
        return (time.perf_counter() - begun) * 1e3, (self._busy() - busy) * 1e3, given

    def _busy(self) -> float:
        """Seconds of processors so far."""
        served = sum(_on_processor(one) for one in self._pids)
        return time.process_time() + served


def _on_processor(pid: int) -> float:
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9
    except FileNotFoundError:
        return 0.0


class Kept:
    """What was measured of one database so far, in a file: a second start measures only the rest."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.said: dict[str, Any] = load_json(path) if path.is_file() else {}

    def once(self, name: str, work: Callable[[], Any]) -> Any:
        """What is kept as `name`; measured, kept and printed where nothing is."""
        if name not in self.said:
            self.put(name, work())
        return self.said[name]

    def put(self, name: str, value: Any) -> None:
        """Keep `value`."""
        self.said[name] = value
        write_json(self.path, self.said)
        print(self.path.stem, name, value, flush=True)


def load_rows(library: Library, kept: Kept, size: int) -> None:
    """Bring the library to `size` assets with a place each and their tags; what each step took is kept."""
    while (have := _assets_in(library)) < size:
        step = _rows_of(library, have, min(STEP, size - have))
        clock = Clock(library)
        milliseconds, busy, _ = clock(lambda step=step: _write(library, step))
        loads = kept.said.get("loads", [])
        rows = sum(len(one) for one in step.values())
        kept.put("loads", [*loads, [have, len(step["assets"]), rows, milliseconds / 1e3, busy / 1e3]])


def _assets_in(library: Library) -> int:
    with library.store.read() as connection:
        return connection.execute(select(func.max(assets.c.id))).scalar() or 0


def _rows_of(library: Library, start: int, count: int) -> dict[str, list[dict[str, Any]]]:
    with library.store.write() as connection:
        numbers = label_numbers(connection, label_texts())
    moment, ids = now(), range(start + 1, start + count + 1)
    asset_rows = [
        {"id": one, "sha256": f"{one:064x}", "content": f"{one:032x}", "bytes": 1, "added_at": moment}
        for one in ids
    ]
    place_rows = [
        {"asset_id": one, "uri": f"/archive/{one}.jpg", "source": "drawn", "size": 1, "added_at": moment}
        for one in ids
    ]
    named = [
        {"asset_id": asset, "label_id": label, "state": state, "score": score, "updated_at": moment}
        for asset, label, state, score in drawn_tags(start, count, numbers)
    ]
    return {"assets": asset_rows, "places": place_rows, "tags": named}


def _write(library: Library, step: dict[str, list[dict[str, Any]]]) -> None:
    with library.store.write() as connection:
        for table in (assets, places, tags):
            if library.store.is_sqlite:
                connection.execute(insert(table), step[table.name])
            else:
                _copy_rows(connection, table.name, step[table.name])


def _copy_rows(connection: Any, table: str, rows: list[dict[str, Any]]) -> None:
    """COPY, as PostgreSQL loads fastest; moments as the whole microseconds that they are kept as."""
    columns = list(rows[0])
    named = ", ".join(f'"{one}"' for one in columns)
    driver = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(f'COPY "{table}" ({named}) FROM STDIN') as copy:
        for row in rows:
            copy.write_row(
                [(one - EPOCH) // MICROSECOND if hasattr(one, "tzinfo") else one for one in row.values()]
            )
    if "id" in columns:
        connection.execute(text(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), {rows[-1]['id']})"))


def load_features(library: Library, kept: Kept, real: np.ndarray, size: int) -> None:
    """Bring the features to `size` pictures; what writing each block took is kept, drawing it left out."""
    wanted = FeatureFormat(SOURCE, WIDTH, (224, 224))
    while True:
        with library.store.read() as connection:
            have = counted_rows(connection, SOURCE)
        if have >= size:
            return
        first = have // FEATURE_BLOCK * FEATURE_BLOCK
        vectors = drawn_features(real, first, min(FEATURE_BLOCK, size - first))[have - first :]
        clock, seconds, busy = Clock(library), 0.0, 0.0
        # In steps that a statement of SQLite takes.
        for part in range(0, len(vectors), _PART):
            some = vectors[part : part + _PART]
            rows = FeatureRows(range(have + part + 1, have + part + len(some) + 1), some)
            took = clock(lambda rows=rows: append_features(library, wanted, rows))
            seconds, busy = seconds + took[0] / 1e3, busy + took[1] / 1e3
        kept.put("features", [*kept.said.get("features", []), [have, len(vectors), seconds, busy]])


def exact_scores(vectors: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """float32 (M, N): cosines of some rows with all."""
    asked = unit_rows(vectors[rows])
    scores = np.empty((len(rows), len(vectors)), np.float32)
    for start in range(0, len(vectors), FEATURE_BLOCK):
        scores[:, start : start + FEATURE_BLOCK] = asked @ unit_rows(vectors[start : start + FEATURE_BLOCK]).T
    return scores
