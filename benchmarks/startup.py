"""What a command costs before its work begins: processor time, peak memory, and the libraries loaded.

    python benchmarks/startup.py [--beside OTHER/src] [--only TEXT ...] [--rounds N]

Measures, each in fresh processes taken in turn: `import lightfast`, `lightfast --help`, the import of every
verb's module, and whole commands that compute with no network, or with an exported one: `corrupt --list`,
`corrupt` of 12 pictures, `data check` of 12 pictures, `compare` of two files of predictions, the first
prediction of one picture. With --beside the same is measured in the same run for another checkout (what it
has not is left out); --only takes what has one of the texts in its name. Prints a table and writes
benchmarks/results/startup.json.

Seconds are user and system time of the whole process, the interpreter's start among them, so that other work
on the machine counts less; on a loaded one caches are shared, and figures are higher.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from measured import about

from lightfast.base.files import write_json
from lightfast.data.export import save_folder
from lightfast.data.images import ImageSet
from lightfast.evaluate.predictions import Predictions

OUT = Path(__file__).parent / "results" / "startup.json"
HERE = Path(__file__).resolve().parents[1] / "src"
HEAVY = ("torch", "cv2", "scipy", "pandas", "sklearn", "matplotlib", "onnxruntime")
VERBS = ("folder", "corrupt", "human", "predict", "crossval", "sweep", "train", "evaluate", "compare")
VERBS += ("scorecard", "repair", "enhance", "explain", "export")
ROUNDS, SEED, PICTURES = 5, 0, 12
WANTED = {"a verb that computes with no network": "1 s", "first prediction": "1 s, 120 MB"}

CODE = """
import sys
{load}
# Of the kernel's count for this program: what wait4 tells holds the parent's memory as well.
with open("/proc/self/status") as status:
    print("peak", next(line.split()[1] for line in status if line.startswith("VmHWM")), file=sys.stderr)
print("loaded", *(name for name in {heavy!r} if name in sys.modules), file=sys.stderr)
"""
COMMAND = """
sys.argv = ["lightfast", *{words!r}]
from lightfast.cli.app import main
try:
    code = main()
except SystemExit as end:
    code = end.code
assert not code, code
"""


def begun(source: Path, load: str) -> dict[str, Any] | None:
    """{seconds (processor time), megabytes (peak), loads} of a fresh process that runs `load`; None where a
    module is not there.
    """
    with tempfile.TemporaryFile() as told:
        child = subprocess.Popen(
            [sys.executable, "-c", CODE.format(load=load, heavy=HEAVY)],
            env={**os.environ, "PYTHONPATH": str(source), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL,
            stderr=told,
        )
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        told.seek(0)
        text = told.read().decode(errors="replace")
    if child.returncode:
        if "ModuleNotFoundError" in text:
            return None
        raise RuntimeError(text)
    loaded, peak = (
        next(line for line in reversed(text.splitlines()) if line.startswith(word)).split()[1:]
        for word in ("loaded", "peak")
    )
    kilobytes = int(peak[0])
    return {"seconds": used.ru_utime + used.ru_stime, "megabytes": kilobytes / 1000, "loads": loaded}


def commands(work: Path) -> dict[str, list[str]]:
    """Whole commands by name, on what is made for them in `work`."""
    rng = np.random.default_rng(SEED)
    labels = np.arange(PICTURES) % 2
    images = ImageSet(rng.integers(0, 256, (PICTURES, 28, 28, 1), dtype=np.uint8), ("no", "yes"), labels)
    pictures = save_folder(work / "pictures", images)
    files = []
    for name in ("a", "b"):
        probs = rng.dirichlet((1, 1), 200).astype(np.float32)
        ids = tuple(f"{number}.png" for number in range(200))
        files.append(str(work / f"{name}.parquet"))
        Predictions(probs, ("no", "yes"), ids, np.arange(200) % 2, name=name).save(files[-1])
    one = next(Path(pictures).rglob("*.png"))
    return {
        "corrupt --list": ["corrupt", "--list"],
        "corrupt, 12 pictures": [
            *("corrupt", str(pictures), "--name", "fog", "--severity", "2"),
            *("--out", str(work / "fog-{turn}.npz")),
        ],
        "data check, 12 pictures": ["data", "check", str(pictures)],
        "compare, two files of predictions": ["compare", *files],
        "first prediction": ["predict", str(exported(work / "run")), str(one), "--device", "cpu"],
    }


def exported(folder: Path) -> Path:
    """A run of the embedded digits that has predicted once, and so keeps its exported file."""
    from lightfast.runs.options import RunOptions
    from lightfast.runs.predict.predict import tag_run
    from lightfast.runs.train import train_run
    from lightfast.train.recipe import Recipe

    train_run("mnist-5k", RunOptions(out=folder), model="mlp", recipe=Recipe.of(epochs=1))
    tag_run(str(folder), ["mnist-5k"], RunOptions(device="cpu"))
    return folder


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Median, lowest and highest of the rounds."""
    times = [one["seconds"] for one in runs]
    return {
        "seconds": round(statistics.median(times), 3),
        "lowest": round(min(times), 3),
        "highest": round(max(times), 3),
        "megabytes": round(statistics.median(one["megabytes"] for one in runs), 1),
        "loads": runs[-1]["loads"],
    }


def measured(what: dict[str, str], sources: dict[str, Path], rounds: int) -> list[dict[str, Any]]:
    """A row for each of `what` (name → code), the sources in turn."""
    rows = []
    for name, load in what.items():
        taken: dict[str, list[dict[str, Any]]] = {key: [] for key in sources}
        for turn in range(rounds):
            for key, source in sources.items():
                found = begun(source, load.replace("{turn}", f"{key}-{turn}"))
                taken[key] += [found] if found else []
        row = {"what": name, **{key: summary(runs) for key, runs in taken.items() if runs}}
        print(row, flush=True)
        rows.append(row)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--beside", type=Path, help="the src folder of another checkout")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--only", nargs="+", default=[""], metavar="TEXT")
    given = parser.parse_args()
    sources = {"ours": HERE} | ({"beside": given.beside.resolve()} if given.beside else {})
    what = {"import lightfast": "import lightfast", "lightfast --help": COMMAND.format(words=["--help"])}
    what |= {f"runs.{verb}": f"import lightfast.runs.{verb}" for verb in VERBS}
    with tempfile.TemporaryDirectory() as work:
        what |= {name: COMMAND.format(words=words) for name, words in commands(Path(work)).items()}
        chosen = {name: load for name, load in what.items() if any(text in name for text in given.only)}
        rows = measured(chosen, sources, given.rounds)
    facts = about(
        "",
        SEED,
        None,
        ["python", "benchmarks/startup.py", *sys.argv[1:]],
        clock="processor time (user and system) of the whole process",
        n=f"{given.rounds} processes each",
        wanted=WANTED,
    )
    write_json(OUT, {"rounds": given.rounds, "rows": rows, **facts})


if __name__ == "__main__":
    main()
