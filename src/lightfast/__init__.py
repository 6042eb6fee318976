"""Lightfast: image classifiers that keep their sight.

The public verbs and records, each loaded when it is first used (SPEC 1); `__init__.pyi` lists them.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
