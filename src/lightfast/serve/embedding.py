"""Features of pictures that are sent, made as those of the library were; the network is loaded once."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import ConflictError
from lightfast.data.decode.decode import decode_bytes
from lightfast.data.decode.unreadable import printable
from lightfast.library.feature_files import open_features
from lightfast.library.library import Library
from lightfast.library.uploads import Upload

if TYPE_CHECKING:
    from lightfast.curate.embed import Embedder


class UploadEmbedder:
    """Computes features of uploads, one request at a time, by the network that was asked for last."""

    def __init__(self, library: Library, device: str) -> None:
        self._library, self._device = library, device
        self._held: tuple[str, Embedder] | None = None
        self._lock = threading.Lock()

    def features(self, source: str, uploads: Sequence[Upload]) -> NDArray[np.float32]:
        """float32 (M, D), as the features of `source` were made.

        Raises UnreadablePicture for the first that is none, DataError where the library has no such features,
        and ConflictError where the run that made them is another network now.
        """
        with self._library.store.read() as connection:
            known = open_features(self._library, connection, source).format
        pictures = [
            decode_bytes(one.data, printable(one.name), known.image_size, known.channels) for one in uploads
        ]
        with self._lock:
            return self._embedder(source, known.run).compute(np.stack(pictures))

    def _embedder(self, source: str, run: str | None) -> Embedder:
        if self._held is None or self._held[0] != source:
            from lightfast.runs.library.features import library_embedder

            embedder, _ = library_embedder(run, self._device)
            if embedder.source != source:
                raise ConflictError(
                    f"{run} is another network now", cure="Make new features: the job `embed`."
                )
            self._held = (source, embedder)
        return self._held[1]
