"""`library embed`: the features of a library's pictures, by a published backbone or by a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from lightfast.curate.backbone_words import WORDS_OF, backbone_class_probs
from lightfast.curate.embed import Embedder, backbone_embedder, checkpoint_embedder
from lightfast.curate.text_pair import is_text_pair, load_text_pair
from lightfast.library.embed import EmbedResult, embed_assets
from lightfast.library.feature_files import FeatureFormat, sources_of
from lightfast.library.library import Library
from lightfast.library.search.likeness import prepare_likeness
from lightfast.models.load import load_classifier
from lightfast.runs.map import PHOTO_SIDE
from lightfast.runs.options import RunOptions


def embed_library(library: Library, options: RunOptions, run: str | None = None) -> EmbedResult:
    """Compute the features of every picture that has none yet, and make searches among them ready.

    Args:
        library: is written.
        options: `device`, `report`.
        run: a run folder whose network makes the features, or a folder with a pair for pictures and texts
            (`text_pair`), whose features are also compared with words; None: a published backbone, beside
            whose features the twenty most probable of its own 1,000 classes are kept, for searches by word.

    Raises CheckpointError for a run whose network has no features, DataError for a pair that is none.
    """
    embedder, wanted = library_embedder(run, options.device)
    class_probs = backbone_class_probs if embedder.source == WORDS_OF else None
    found = embed_assets(library, embedder, wanted, class_probs=class_probs, report=options.report)
    if embedder.source not in sources_of(library):
        return found
    note = prepare_likeness(library, embedder.source, options.report)
    return replace(found, notes=(note,)) if note else found


def library_embedder(run: str | None, device: str = "auto") -> tuple[Embedder, FeatureFormat]:
    """(what computes features, how pictures are to be read for it); its `width` is not known before it has
    computed (0).
    """
    if run is None:
        embedder = backbone_embedder()
        return embedder, FeatureFormat(embedder.source, 0, PHOTO_SIDE)
    if is_text_pair(run):
        pair = load_text_pair(run)
        return pair.embedder, FeatureFormat(pair.source, 0, pair.image_size, run=str(pair.folder))
    classifier = load_classifier(run, device)
    embedder = checkpoint_embedder(classifier)
    height, width, channels = classifier.image_shape
    place = run if run.startswith("hf-hub:") else str(Path(run).absolute())
    return embedder, FeatureFormat(embedder.source, 0, (height, width), channels, place)
