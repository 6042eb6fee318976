"""The arguments and options that commands share, each with its help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from typer import Argument, Option

DataArg = Annotated[
    str,
    Argument(
        metavar="DATA", help="A folder of class folders, a manifest, an .npz, or a name of `data list`."
    ),
]
RunArg = Annotated[str, Argument(metavar="RUN", help="A run folder that `train` wrote, or hf-hub:ID.")]
Seed = Annotated[
    int,
    Option("--seed", min=0, metavar="N", help="Fixes all randomness: the same seed gives the same numbers."),
]
Device = Annotated[
    Literal["auto", "cpu", "cuda"],
    Option("--device", metavar="auto|cpu|cuda", help="Where to compute; auto takes CUDA where it is."),
]
ScaleChoice = Literal["quick", "cpu", "paper"]
PartChoice = Literal["all", "train", "val", "test"]
AsJson = Annotated[bool, Option("--json", help="One JSON object on stdout, everything else on stderr.")]
Resume = Annotated[bool, Option("--resume", help="Go on where the same command was stopped.")]
Limit = Annotated[
    int | None, Option("--limit", min=1, metavar="N", help="Use at most N pictures, drawn by the seed.")
]
Size = Annotated[
    str | None,
    Option("--image-size", metavar="HxW", help="Bring every picture to this size, e.g. 28x28 or 96."),
]
Damaged = Annotated[
    Literal["refuse", "read"],
    Option(
        "--damaged",
        metavar="refuse|read",
        help="Picture files with damaged pixels: list them as unreadable, or read them as far as they go.",
    ),
]
Root = Annotated[
    Path | None,
    Option(
        "--root",
        metavar="FOLDER",
        help="The folder that the paths in a table start at, or are looked for below. Default: its own.",
    ),
]
LabelSeparator = Annotated[
    str | None,
    Option(
        "--label-separator",
        metavar="TEXT",
        help="Divides several labels in one cell of a table's column label: comma, semicolon, bar, space "
        "or any sign; none: each cell is one label.",
    ),
]
NearDuplicatesChoice = Annotated[
    Literal["group", "ignore", "report"],
    Option(
        "--near-duplicates",
        metavar="group|ignore|report",
        help="group: near copies of a picture stay on one side. report: only say which there are. "
        "ignore: do not search them. Exact copies always stay on one side.",
    ),
]
Model = Annotated[
    str,
    Option(
        "--model",
        metavar="NAME",
        help="lite0, resnet50, cnn, resnet9, random-forest, timm:NAME … All: docs/models.md.",
    ),
]
AutoModel = Annotated[
    str,
    Option(
        "--model",
        metavar="NAME",
        help="auto (photographs: a pretrained network, the rest: cnn), lite0, "
        "resnet50, cnn, random-forest, timm:NAME … All: docs/models.md. Of drawings (.ndjson) also strokes: "
        "convolutions on the strokes themselves.",
    ),
]
SetOption = Annotated[
    list[str] | None,
    Option(
        "--set",
        metavar="KEY=VALUE",
        help="A setting of the recipe, or model.KEY=VALUE for the network; may be repeated.",
    ),
]
Jobs = Annotated[
    int | None,
    Option("--jobs", min=1, metavar="N", help="Trainings at once, one thread each. Default: one a core."),
]
ClusterAddress = Annotated[
    str | None,
    Option(
        "--cluster",
        metavar="ADDRESS",
        help="Many machines: a Ray cluster at HOST:PORT, auto (this machine's), or local (one for this "
        "command): docs/scale.md.",
    ),
]
