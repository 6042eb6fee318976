"""Small classifiers, exported."""

from fixtures.exported import files, kit, lite, lite_file, small, tagger

__all__ = ["files", "kit", "lite", "lite_file", "small", "tagger"]
