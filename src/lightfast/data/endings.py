"""File name endings that say what a file is."""

from __future__ import annotations

MANIFEST_ENDINGS = (".csv", ".tsv", ".parquet", ".jsonl", ".ndjson")
