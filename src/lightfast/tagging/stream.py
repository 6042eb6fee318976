"""Picture files to tags as a stream: decoded, read and handed on in order,
with a bounded number of pictures in memory.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lightfast.data.dataset import Entry, Unreadable
from lightfast.data.decode.decode import read_picture
from lightfast.data.decode.examined import DamageChoice
from lightfast.data.decode.stream import map_in_order, or_unreadable
from lightfast.tagging.runtime import Tagger

_AHEAD = 3
"""Batches a thread that may be under work or wait to be written."""


@dataclass(frozen=True, eq=False)
class Tagged:
    """Some pictures in the order given: those that were read with their probabilities float32 (N, K),
    those that could not be, keys of `REMARKS` with how many of the first they hold for, and which of
    the first the model was fitted or chosen on (bool (N,); None: not known), and their content hashes
    where they are known.
    """

    entries: tuple[Entry, ...]
    probs: NDArray[np.float32]
    unreadable: tuple[Unreadable, ...] = ()
    remarks: Mapping[str, int] = field(default_factory=dict)
    seen: NDArray[np.bool_] | None = None
    hashes: tuple[str, ...] = ()


class TagFiles(Protocol):
    """Reads picture files by a model; handed down like the executor, `tag_files` by default."""

    def __call__(
        self,
        tagger: Tagger,
        entries: Iterable[Entry],
        damaged: DamageChoice = "refuse",
        *,
        hashed: bool = False,
    ) -> Generator[Tagged, None, None]:
        """Every entry exactly once, in order, in batches of any size; see `tag_files`."""
        ...


def tag_files(
    tagger: Tagger, entries: Iterable[Entry], damaged: DamageChoice = "refuse", *, hashed: bool = False
) -> Generator[Tagged, None, None]:
    """Read picture files, batch by batch, in order; with `damaged` "read" also damaged ones, with `hashed`
    their content hashes as well.

    Every thread decodes a batch of its own and reads it: while one waits for the decoder another computes,
    and no more threads than wanted want the cores at once. At most three batches a thread are on the way;
    when the caller does not take them, the threads wait. Closing the generator stops the work.
    """
    chunks, threads = _chunks(entries, tagger.batch), tagger.threads

    def read(chunk: Sequence[Entry]) -> Tagged:
        return tag_brought(chunk, lambda here: _tagged(tagger, here, damaged, hashed))

    return map_in_order(read, chunks, jobs=threads, ahead=_AHEAD * threads)


def tag_brought(entries: Sequence[Entry], read: Callable[[Sequence[Entry]], Tagged]) -> Tagged:
    """What `read` says of some entries; those that have an address are fetched for it, and forgotten then."""
    if all(one.address is None for one in entries):
        return read(entries)
    from lightfast.data.sources.later import bring

    with bring(entries) as brought:
        found = read([one for one in brought.entries if one.path not in brought.reasons])
    known = {str(path): one for path, one in brought.known.items()}
    lost = [
        replace(one, path=str(known[one.path].path)) if one.path in known else one for one in found.unreadable
    ]
    lost += [Unreadable(str(brought.known[path].path), why) for path, why in brought.reasons.items()]
    kept = tuple(brought.known.get(one.path, one) for one in found.entries)
    return replace(found, entries=kept, unreadable=tuple(lost))


def _tagged(tagger: Tagger, chunk: Sequence[Entry], damaged: DamageChoice, hashed: bool) -> Tagged:
    height, width, channels = tagger.card.image_shape
    images = np.empty((len(chunk), height, width, channels), dtype=np.uint8)
    kept: list[Entry] = []
    unreadable: list[Unreadable] = []
    remarks = Counter[str]()
    read = partial(read_picture, image_size=(height, width), channels=channels, damaged=damaged)
    for entry in chunk:
        picture = or_unreadable(read, entry.path)
        if isinstance(picture, Unreadable):
            unreadable.append(picture)
        else:
            images[len(kept)] = picture.pixels
            remarks.update(picture.remarks)
            kept.append(entry)
    probs = (
        tagger.infer(images[: len(kept)])
        if kept
        else np.empty((0, len(tagger.card.class_names)), dtype=np.float32)
    )
    hashes = tagger.hashes_of(images[: len(kept)], wanted=hashed)
    return Tagged(tuple(kept), probs, tuple(unreadable), remarks, tagger.seen_among(hashes), hashes)


def _chunks(entries: Iterable[Entry], size: int) -> Generator[list[Entry], None, None]:
    source = iter(entries)
    while chunk := list(itertools.islice(source, size)):
        yield chunk
