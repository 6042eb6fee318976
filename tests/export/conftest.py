"""Small classifiers, exported; a picture with the sidecar of others."""

from fixtures.exported import files, kit, lite, lite_file, small, tagger
from fixtures.sidecars import picture, sidecar

__all__ = ["files", "kit", "lite", "lite_file", "picture", "sidecar", "small", "tagger"]
