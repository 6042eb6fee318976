"""Write docs/openapi.json from the code.

python docs/openapi.py
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from lightfast.library.library import create_library
from lightfast.serve.app import create_app

TARGET = Path(__file__).parent / "openapi.json"


def main() -> None:
    """Describe the service of an empty library."""
    with tempfile.TemporaryDirectory() as folder:
        library = create_library(Path(folder) / "library")
        described = create_app(library).openapi()
        library.close()
    TARGET.write_text(json.dumps(described, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
