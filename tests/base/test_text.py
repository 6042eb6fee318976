"""Text that people wrote, made comparable."""

from lightfast.base.text import nfc


def test_composed_and_decomposed_letters_are_one_text() -> None:
    assert nfc("Ka\u0308fer") == nfc("K\u00e4fer") == "K\u00e4fer"
    assert nfc("Kafer") != nfc("K\u00e4fer")
