"""Several models, one a sector: which run reads for which client."""

from __future__ import annotations

from pathlib import Path

from lightfast.base.errors import DataError, UnknownName
from lightfast.data.sources.remote import is_address

_CURE = "Write one line a client: `acme: runs/shops`. docs/taxonomy.md tells more."


def run_of_client(mapping: Path | str, client: str) -> str:
    """The run that reads for `client`.

    Args:
        mapping: YAML or JSON file, client → run folder, exported `.onnx` or `hf-hub:ID`; relative places
            start at the file.
        client: its name, as it stands there.

    Raises DataError for a file of another form (with the line, where a client stands twice), UnknownName with
    the nearest clients for one that is not there.
    """
    path = Path(mapping)
    runs = _runs(path)
    if client not in runs:
        raise UnknownName("client", client, runs)
    place = runs[client]
    return place if place.startswith("hf-hub:") or is_address(place) else str(path.parent / place)


def _runs(path: Path) -> dict[str, str]:
    """Client → run, as they stand in the file."""
    import yaml

    if not path.is_file():
        got = "a folder" if path.is_dir() else "nothing"
        raise DataError(f"{path}: which run reads for which client", expected="a file", got=got, cure=_CURE)
    try:
        root = yaml.compose(path.read_text(encoding="utf-8-sig"), Loader=yaml.SafeLoader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is no YAML ({' '.join(str(error).split())})", cure=_CURE) from error
    if not isinstance(root, yaml.MappingNode) or not root.value:
        raise DataError(f"{path}: which run reads for which client", expected="client: run", cure=_CURE)
    found: dict[str, str] = {}
    for key, value in root.value:
        line = key.start_mark.line + 1
        if not (isinstance(key, yaml.ScalarNode) and isinstance(value, yaml.ScalarNode) and value.value):
            raise DataError(f"{path}, line {line}", expected="client: run", cure=_CURE)
        if key.value in found:
            raise DataError(f"{path}, line {line}: client {key.value!r} stands twice", cure="Keep one.")
        found[key.value] = value.value
    return found
