"""Run folders of the easy blobs."""

from fixtures.runs import blob_file, run, trained_run

__all__ = ["blob_file", "run", "trained_run"]
