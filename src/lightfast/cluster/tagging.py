"""Picture files read by a model on the machines of a cluster: blocks of files as tasks.

Tasks, and not Ray Data: rows have to come in the order of the files (as on one machine), a block has to be
named by what it holds, so that it is finished once whoever computes it, and what is lost is counted here.
"""

from __future__ import annotations

import itertools
from collections import Counter, deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from lightfast.cluster.kept import KeptBlocks
from lightfast.cluster.redo import Redo, cluster_cores, in_order
from lightfast.data.dataset import Entry
from lightfast.data.decode.examined import DamageChoice
from lightfast.tagging.runtime import Tagger
from lightfast.tagging.stream import Tagged, tag_brought, tag_files

_BLOCK_VALUES = 256 * 224 * 224 * 3
"""So many pixel values a block, 256 photographs at 224: seconds of work, beside which handing it out takes
milliseconds, and little to do again where a machine is lost.
"""
_LARGEST_BLOCK = 2048
_QUEUED = 2
"""Blocks a core that are handed out: the next one lies ready when one is finished."""
_AHEAD = 6
"""Blocks a core that are computed or wait to be taken at most: what holds back the machines when the caller
writes slowly.
"""


@dataclass(frozen=True)
class RayTagging:
    """`tagging.stream.TagFiles` over Ray; files are read by the machines, under the same paths as here, and
    those at addresses fetched by them.

    Attributes:
        redo: how often a block is read again after its machine was lost.
        keep: folder of finished blocks, a file each, written whole or not at all: the same work begun again
            takes them from there. They stay until `clear`. None: nothing is kept.
        block: pictures a block; None = by the size of the model's pictures.
    """

    redo: Redo
    keep: Path | None = None
    fetches: ClassVar[bool] = True
    block: int | None = None

    def __call__(
        self,
        tagger: Tagger,
        entries: Iterable[Entry],
        damaged: DamageChoice = "refuse",
        *,
        hashed: bool = False,
    ) -> Generator[Tagged, None, None]:
        """Read picture files, block by block, in order, each exactly once; see `tag_files`.

        Raises ClusterError for a block that is lost more often than is allowed, and where no machine is left.
        """
        import ray

        held = ray.put(tagger)
        remote = ray.remote(num_cpus=1, max_retries=0, scheduling_strategy="SPREAD")(_tag_block)
        kept = KeptBlocks.of(self.keep, tagger, damaged, hashed=hashed)
        under_way = deque[Sequence[Entry]]()

        def blocks() -> Iterator[Sequence[Entry]]:
            source = iter(entries)
            while block := list(itertools.islice(source, self.block or _block_size(tagger))):
                under_way.append(block)
                yield block

        def begin(block: Sequence[Entry]) -> Any:
            known = kept.load(block)
            # In a list the reference stays one: each process asks for the model once.
            return remote.remote([held], block, damaged, hashed) if known is None else known

        for found in in_order(
            begin,
            blocks(),
            self.redo,
            at_once=_handed_out,
            ahead=_AHEAD * max(1, cluster_cores()),
            what="block",
        ):
            kept.save(under_way.popleft(), found)
            yield found

    def clear(self) -> None:
        """Forget the finished blocks: called when what was made of them stands (a file that is whole)."""
        KeptBlocks(self.keep, "").clear()


def _handed_out() -> int:
    return _QUEUED * cluster_cores()


def _block_size(tagger: Tagger) -> int:
    return min(_LARGEST_BLOCK, max(tagger.batch, _BLOCK_VALUES // int(np.prod(tagger.card.image_shape))))


@lru_cache(maxsize=1)
def _tagger(reference: Any) -> Tagger:
    import ray

    tagger: Any = ray.get(reference)
    return replace(tagger, threads=1)


def _tag_block(held: Sequence[Any], block: Sequence[Entry], damaged: DamageChoice, hashed: bool) -> Tagged:
    tagger = _tagger(held[0])
    # The files of the whole block are fetched at once: many are on the way while none is waited for.
    return tag_brought(
        block, lambda here: _together(list(tag_files(tagger, here, damaged, hashed=hashed)), tagger)
    )


def _together(batches: Sequence[Tagged], tagger: Tagger) -> Tagged:
    if not batches:
        none = np.empty((0, len(tagger.card.class_names)), dtype=np.float32)
        return Tagged((), none, seen=tagger.seen_among(()))
    remarks = Counter[str]()
    for one in batches:
        remarks.update(one.remarks)
    seen = [one.seen for one in batches if one.seen is not None]
    return Tagged(
        tuple(itertools.chain.from_iterable(one.entries for one in batches)),
        np.concatenate([one.probs for one in batches]),
        tuple(itertools.chain.from_iterable(one.unreadable for one in batches)),
        remarks,
        np.concatenate(seen) if seen else None,
        tuple(itertools.chain.from_iterable(one.hashes for one in batches)),
    )
