"""Pictures by words without any label: mean average precision of `library search --text`, and what it answers
to words of things that are not there.

    LIGHTFAST_DATA=FOLDER python benchmarks/text_search.py

writes benchmarks/results/text_search.json. The words are the names of the classes of caltech20, intel-scenes
and clothing as their folders spell them (`_` as a blank; "Not_sure", "Other" and "Skip" of clothing are no
words of things, and left out as words but not as pictures). Average precision is over the whole set, all
pictures ranked. For "nothing": every word of the other two sets is asked of each set (some of these things
are there nevertheless: a sea behind a ship), beside the own words; `shown` is the share of words for which
the answer is not "nothing" at the default --sure.
"""

from __future__ import annotations

import argparse
import os
import platform
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "2")

import numpy as np  # noqa: E402
from measured import about  # noqa: E402
from sklearn.metrics import average_precision_score  # noqa: E402

from lightfast.base.files import write_json  # noqa: E402
from lightfast.curate.backbone_words import backbone_class_probs  # noqa: E402
from lightfast.curate.embed import backbone_embedder, embed_pictures  # noqa: E402
from lightfast.curate.word_search import best_of_any_words, class_fits, word_scores  # noqa: E402
from lightfast.data.dataset import Entry  # noqa: E402
from lightfast.data.decode.stream import stream_pictures  # noqa: E402
from lightfast.data.images import ImageSet  # noqa: E402
from lightfast.library.feature_files import largest_classes  # noqa: E402
from lightfast.library.search.by_words import SHOWN_FROM  # noqa: E402
from lightfast.report.provenance import cpu_name  # noqa: E402

SETS = ("caltech20", "intel-scenes", "clothing")
NO_THINGS = {"Not_sure", "Other", "Skip"}
OUT = Path(__file__).parent / "results" / "text_search.json"
BLOCK = 500


def seen(folder: Path, limit: int | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(the most probable classes (N, 20), their probabilities, names of the folders (N,)), as a library
    keeps them.
    """
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    if limit is not None:
        chosen = np.random.default_rng(0).permutation(len(files))[:limit]
        files = [files[one] for one in sorted(chosen)]
    classes, probs, names, embedder = [], [], [], backbone_embedder()
    entries = [Entry(path, str(path), 0) for path in files]
    for start in range(0, len(entries), BLOCK):
        pictures = []
        for entry, pixels in stream_pictures(entries[start : start + BLOCK], (224, 224), 3):
            if isinstance(pixels, np.ndarray):
                pictures.append(pixels)
                names.append(entry.path.parent.name)
        vectors = embed_pictures(ImageSet(np.stack(pictures)), embedder).vectors
        for kept, one in zip((classes, probs), largest_classes(backbone_class_probs(vectors)), strict=True):
            kept.append(one)
        print(folder.name, min(start + BLOCK, len(entries)), len(entries), flush=True)
    return np.concatenate(classes), np.concatenate(probs), np.array(names)


def spoken(name: str) -> str:
    """The name of a folder as somebody would say it."""
    return name.replace("_", " ").lower()


def measure(name: str, kept: dict[str, Any], words: dict[str, list[str]], seed: int) -> dict[str, Any]:
    """Average precision of every own word, and the shares of words answered with pictures."""
    classes, probs, given = kept[name]
    chance = best_of_any_words(classes, probs, 200, seed)
    scores = word_scores(classes, probs, class_fits([spoken(one) for one in words[name]]))
    precision = {
        one: round(float(average_precision_score(given == one, scores[:, at])), 4)
        for at, one in enumerate(words[name])
    }
    return {
        "data": name,
        "n": len(given),
        "words": len(precision),
        "mean_average_precision": round(float(np.mean(list(precision.values()))), 4),
        "average_precision": precision,
        "precision_of_what_is_shown": shown_precision(
            scores >= np.quantile(chance, SHOWN_FROM), given, words[name]
        ),
        "own_words_shown": round(float((share_of(scores, chance) >= SHOWN_FROM).mean()), 3),
        **others(name, kept, words, chance),
    }


def share_of(scores: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """(M,): the share of random words whose best picture fits worse than the best of each text."""
    return np.searchsorted(chance, scores.max(axis=0)) / len(chance)


def shown_precision(shown: np.ndarray, given: np.ndarray, words: list[str]) -> float | None:
    """The mean over words of the share of right pictures among those shown; None where none is."""
    right = [
        float((given[mask] == one).mean()) for mask, one in zip(shown.T, words, strict=True) if mask.any()
    ]
    return round(float(np.mean(right)), 3) if right else None


def others(
    name: str, kept: dict[str, Any], words: dict[str, list[str]], chance: np.ndarray
) -> dict[str, Any]:
    """What is answered to the words of the other sets."""
    classes, probs, _ = kept[name]
    asked = [one for other, all_of in words.items() if other != name for one in all_of]
    if not asked:
        return {}
    share = share_of(word_scores(classes, probs, class_fits([spoken(one) for one in asked])), chance)
    shown = [str(one) for one, sure in zip(asked, share, strict=True) if sure >= SHOWN_FROM]
    return {
        "other_words": len(asked),
        "other_words_shown": round(len(shown) / len(asked), 3),
        "other_words_that_were_shown": shown,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--limit", type=int, help="pictures a set, drawn at random")
    parser.add_argument("--sets", nargs="*", default=SETS)
    parser.add_argument("--out", type=Path, default=OUT)
    asked = parser.parse_args()
    data = Path(os.environ["LIGHTFAST_DATA"])
    kept = {name: seen(data / name, asked.limit) for name in asked.sets}
    words = {name: sorted(set(given) - NO_THINGS) for name, (_, _, given) in kept.items()}
    rows = [measure(name, kept, words, 0) for name in asked.sets]
    for row in rows:
        print(*(f"{key} {value}" for key, value in row.items() if key != "average_precision"), sep="  ")
    result = {
        "command": "LIGHTFAST_DATA=FOLDER python benchmarks/text_search.py",
        "seed": 0,
        "chosen_on": "how classes are carried to words was chosen on 400, 240 and 240 pictures of these sets",
        "results": rows,
        "made": about(),
        "machine": f"{cpu_name()}, {os.environ['OMP_NUM_THREADS']} threads, {platform.system()}, shared with "
        "other work",
    }
    write_json(asked.out, result)


if __name__ == "__main__":
    main()
