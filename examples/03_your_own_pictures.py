"""From a folder of class folders to predictions, with a broken file among them.

Writes into a temporary folder.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import lightfast as lf


def make_a_pile(folder: Path) -> None:
    """Stand-in for your pictures: PNG files in class folders, one of them broken."""
    digits = lf.load_images("mnist-5k").images
    lf.save_folder(folder, digits.take(range(0, len(digits), 5)))
    (folder / "3" / "scan-broken.png").write_bytes(b"not a picture")


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "pile"
        make_a_pile(folder)

        # The same as `lightfast data check pile`.
        report = lf.check(folder)
        print(
            f"{report.n:,} pictures in {len(report.classes)} classes; warnings: "
            f"{', '.join(report.warnings) or 'none'}"
        )
        for one in report.unreadable:
            print(f"  not read: {Path(one.path).name} ({one.reason})")

        parts = lf.split(lf.load_images(folder).images, seed=0)
        training = lf.Training(seed=0, folder=Path(place) / "run")
        checkpoint = lf.fit(
            parts.train, parts.val, model="random-forest", config={"trees": 50}, training=training
        )
        checkpoint = lf.calibrate(checkpoint, parts.val)
        checkpoint.save(Path(place) / "run" / "checkpoint")

        again = lf.load_checkpoint(Path(place) / "run")
        evaluation = lf.evaluate(again, parts.test)
        low, high = evaluation.accuracy_interval
        print(
            f"random forest: accuracy {evaluation.accuracy:.1%} (95 % interval {low:.1%} to {high:.1%}, n = "
            f"{evaluation.n})"
        )

        # Errors are one line: what came, what was expected, what to do.
        try:
            lf.load_checkpoint(Path(place) / "nowhere")
        except lf.CheckpointError as error:
            print(f"as it should be: {str(error).replace(place, '…')}")


if __name__ == "__main__":
    main()
