"""A library of grey pictures, bright or dark, that a small network tells apart."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image
from sqlalchemy import select

from lightfast.library.add import add_pictures
from lightfast.library.label_numbers import label_numbers
from lightfast.library.library import Library
from lightfast.library.people.users import user_number
from lightfast.library.review.decide import ReviewAct, decide
from lightfast.library.schema import assets, places

SIDE = 12


def add_greys(library: Library, folder: Path, count: int, start: int = 0) -> None:
    """`count` files with noise around 60 (even numbers) or 190 (odd ones), and a user called ada."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(start)
    for number in range(start, start + count):
        level = 190 if number % 2 else 60
        pixels = np.clip(rng.normal(level, 25, (SIDE, SIDE)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:03}.png")
    add_pictures(library, [str(folder)])
    with library.store.write() as connection:
        user_number(connection, "ada")


def truth_of(library: Library) -> dict[int, str]:
    """asset → what its file's number says."""
    with library.store.read() as connection:
        named = ~places.c.uri.startswith("kept:")
        rows = connection.execute(select(places.c.asset_id, places.c.uri).where(named)).all()
    return {row.asset_id: "bright" if int(Path(row.uri).stem) % 2 else "dark" for row in rows}


def confirm(library: Library, numbers: Iterable[int], said: dict[int, str]) -> None:
    """Ada decides, two seconds a picture."""
    with library.store.write() as connection:
        labels = label_numbers(connection, sorted(set(said.values())))
        ada = user_number(connection, "ada")
    acts = [ReviewAct(one, "confirm", labels[said[one]], seconds=2.0) for one in numbers]
    decide(library.store, ada, acts)


def numbers_of(library: Library) -> list[int]:
    """Every picture, in the order in which they came."""
    with library.store.read() as connection:
        return list(connection.execute(select(assets.c.id).order_by(assets.c.id)).scalars())
