"""`Tagger`: an exported classifier in ONNX Runtime on the CPU, set up for throughput."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import CheckpointError, DataError, SettingsError
from lightfast.base.parallel import usable_cores
from lightfast.data.decode.stream import map_in_order
from lightfast.data.decode.unreadable import printable
from lightfast.data.images import content_hash, fingerprints
from lightfast.models.onnx_session import onnx_failures, onnx_session
from lightfast.tagging.card import CARD_KEY, INPUT, OUTPUT, ModelCard

Infer = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
_BATCH_VALUES = 8 * 224 * 224 * 3
"""So many pixel values at once, eight photographs at 224:
larger batches showed no gain beyond noise and hold more in memory.
"""
_LARGEST_BATCH = 256


@dataclass(frozen=True, eq=False)
class Tagger:
    """A classifier that reads pictures, by whatever computes it.

    Attributes:
        card: picture shape, classes, task and what else is known of it.
        infer: uint8 (N, H, W, C) → float32 (N, K); may be called from `threads` threads at once.
        threads: how many calls of `infer` keep the machine busy.
        source: what it is called in messages.
        notes: what its user has to know, one sentence each.
        seen: uint64, fingerprints of the pictures that it was fitted or chosen on; None: not known.
    """

    card: ModelCard
    infer: Infer
    threads: int = 1
    source: str = "tagger"
    notes: tuple[str, ...] = ()
    seen: NDArray[np.uint64] | None = None

    @property
    def digest(self) -> str:
        """Hex SHA-256 of what computes: of the exported file, else of its checkpoint; "" = not known."""
        return self.infer.digest if isinstance(self.infer, _Graph) else self.card.source_digest

    def seen_among(self, hashes: Sequence[str]) -> NDArray[np.bool_] | None:
        """bool (N,): which of the pictures with these content hashes it was fitted or chosen on; None: not
        known.
        """
        return None if self.seen is None else np.isin(fingerprints(hashes), self.seen)

    def hashes_of(self, images: NDArray[np.uint8], *, wanted: bool = False) -> tuple[str, ...]:
        """A content hash a picture (of the card's shape) where what was seen is known, or they are wanted for
        another reason; else none.
        """
        return tuple(map(content_hash, images)) if wanted or self.seen is not None else ()

    @property
    def batch(self) -> int:
        """Pictures that one call of `infer` takes best."""
        return min(_LARGEST_BATCH, max(1, _BATCH_VALUES // int(np.prod(self.card.image_shape))))

    def probs(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """uint8 (N, H, W, C) of the card's shape → float32 (N, K) probabilities;
        raises DataError for other arrays.
        """
        wanted = self.card.image_shape
        if images.dtype != np.uint8 or images.shape[1:] != wanted:
            raise DataError(
                f"{self.source}: pictures",
                expected=f"uint8 (N, {', '.join(map(str, wanted))})",
                got=f"{images.dtype} {images.shape}",
                cure="data.decode.decode.resize_batch brings a batch to another size.",
            )
        none = np.empty((0, len(self.card.class_names)), dtype=np.float32)
        batches = (images[start : start + self.batch] for start in range(0, len(images), self.batch))
        parts = map_in_order(self.infer, batches, jobs=self.threads, ahead=2 * self.threads)
        return np.concatenate([none, *parts])


def load_tagger(path: Path | str, threads: int | None = None) -> Tagger:
    """A Tagger of a file that `export_graph` wrote.

    Args:
        path: the ONNX file.
        threads: calls at once; None = one a usable core.

    Raises CheckpointError: no such file, no ONNX model, or one without our metadata. SettingsError: `threads`
    below 1.
    """
    if threads is not None and threads < 1:
        raise SettingsError(f"threads {threads}", expected="at least 1", cure="Leave it out for one a core.")
    path = Path(path)
    graph = _Graph(path)
    return Tagger(_card(graph.session, printable(path)), graph, threads or usable_cores(), printable(path))


class _Graph:
    """Calls of a session. To other processes, on other machines too, it goes as the content of its file."""

    def __init__(self, model: Path | bytes) -> None:
        self._model = model
        self.session = _session(model) if isinstance(model, Path) else onnx_session(model)

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        return self.session.run([OUTPUT], {INPUT: np.ascontiguousarray(images)})[0]

    @property
    def content(self) -> bytes:
        return self._model.read_bytes() if isinstance(self._model, Path) else self._model

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    def __reduce__(self) -> tuple[type[_Graph], tuple[bytes]]:
        return _Graph, (self.content,)


def load_model_card(path: Path | str) -> ModelCard:
    """What an exported file says of itself, without preparing it for reading pictures."""
    import onnx
    from google.protobuf.message import DecodeError

    path = Path(path)
    _require_file(path)
    try:
        model = onnx.load(path, load_external_data=False)
    except (DecodeError, OSError) as error:
        raise _no_model(path, error) from error
    return _of_metadata({one.key: one.value for one in model.metadata_props}, printable(path))


def _session(path: Path) -> Any:
    _require_file(path)
    try:
        return onnx_session(path)
    except onnx_failures() as error:
        raise _no_model(path, error) from error


def _require_file(path: Path) -> None:
    if not path.is_file():
        raise CheckpointError(
            f"no such file: {printable(path)}", cure="Make one: `lightfast export` writes it."
        )


def _no_model(path: Path, error: Exception) -> CheckpointError:
    return CheckpointError(
        f"{printable(path)} is no ONNX model that can be read ({str(error).splitlines()[0][:160]})",
        cure="Export the run again: `lightfast export` writes it.",
    )


def _card(session: Any, source: str) -> ModelCard:
    return _of_metadata(session.get_modelmeta().custom_metadata_map, source)


def _of_metadata(metadata: dict[str, str], source: str) -> ModelCard:
    if CARD_KEY not in metadata:
        raise CheckpointError(
            f"{source} is an ONNX model, but not one that lightfast wrote",
            expected="class names and preprocessing inside",
            cure="Export a run: `lightfast export` writes it.",
        )
    return ModelCard.from_text(metadata[CARD_KEY], source)
