"""Data sets to disk: a canonical `.npz`, or PNG files in class folders."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import DataError
from lightfast.base.files import atomic, make_folder, storage_errors
from lightfast.base.png import png
from lightfast.data.dataset import LoadedData
from lightfast.data.images import ImageSet


def save_npz(path: Path, data: LoadedData | ImageSet) -> Path:
    """Write a canonical `.npz` atomically: `images, labels` for one set, `train_images, train_labels,
    ...` for one with official parts.
    """
    arrays: dict[str, NDArray[Any]] = {}
    parts = {"": data} if isinstance(data, ImageSet) else data.parts
    if isinstance(data, LoadedData) and data.ruled_out is not None:
        arrays |= {"ruled_out_images": data.ruled_out.images.images, "ruled_out": data.ruled_out.classes}
    for name, images in parts.items():
        prefix = f"{name}_" * (len(parts) > 1)
        arrays[f"{prefix}images"] = images.images
        if images.labels is not None:
            arrays[f"{prefix}labels"] = images.labels
            arrays["class_names"] = np.array(images.class_names)
    with atomic(path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, allow_pickle=False, **arrays)
    return path


def save_folder(folder: Path, images: ImageSet) -> Path:
    """Write every picture as `folder/CLASS/NUMBER-ID.png`; the folder appears when all of it is written, and
    must be new or empty.

    Raises DataError for pictures without labels, class names that cannot name a folder, or a folder that
    holds something.
    """
    labels = images.require_labels()
    for name in images.class_names:
        if not name.strip(". ") or "/" in name or "\\" in name or "\0" in name:
            raise DataError(f"class {name!r} cannot name a folder", cure="Write an .npz instead (NAME.npz).")
    require_new_folder(folder)
    make_folder(folder.parent)
    with storage_errors(folder):
        started = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            _write_pictures(started, images, labels)
            started.chmod(0o755)
            # Onto an empty folder or onto nothing: both are one atomic step on POSIX.
            started.replace(folder)
        finally:
            shutil.rmtree(started, ignore_errors=True)
    return folder


def require_new_folder(folder: Path) -> None:
    """Refuse, by DataError, a folder that holds something: `save_folder` writes into none of these."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(
            f"{folder} holds something already",
            expected="a new or empty folder",
            cure="Choose another folder.",
        )


def _write_pictures(folder: Path, images: ImageSet, labels: NDArray[np.int64]) -> None:
    for label in np.unique(labels):
        (folder / images.class_names[label]).mkdir()
    digits = len(str(max(len(images) - 1, 1)))
    for row, (picture, label, one) in enumerate(zip(images.images, labels, images.ids, strict=True)):
        stem = re.sub(r"[^\w.-]+", "_", Path(one).stem)[:60]
        (folder / images.class_names[label] / f"{row:0{digits}d}-{stem}.png").write_bytes(png(picture))
