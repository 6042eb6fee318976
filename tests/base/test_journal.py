"""The journal: what was appended comes back, whatever the end of the file looks like."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lightfast.base.errors import StorageError
from lightfast.base.journal import Entries, Journal

settings.register_profile(
    "journal", deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@dataclass(frozen=True)
class Note:
    text: str
    place: int
    share: float
    other: str | None


NOTES = st.lists(
    st.builds(
        Note,
        TEXTS,
        st.integers(-(2**60), 2**60),
        st.floats(allow_nan=False, allow_infinity=False),
        st.none() | TEXTS,
    ),
    min_size=1,
    max_size=5,
)


def written(path: Path, notes: list[Note]) -> Journal[Note]:
    path.unlink(missing_ok=True)
    journal = Journal(path, Note)
    for note in notes:
        journal.append(note)
    return journal


@given(NOTES)
@settings(settings.get_profile("journal"), max_examples=50)
def test_what_was_appended_is_read_again(tmp_path, notes):
    assert written(tmp_path / "notes.jsonl", notes).read() == Entries(tuple(notes))


@given(NOTES, st.data())
@settings(settings.get_profile("journal"), max_examples=50)
def test_a_file_cut_at_any_byte_gives_every_whole_line_and_goes_on(tmp_path, notes, data):
    journal = written(tmp_path / "notes.jsonl", notes)
    content = journal.path.read_bytes()
    cut = content[: data.draw(st.integers(0, len(content)))]
    journal.path.write_bytes(cut)
    whole = cut.count(b"\n")
    # The last line is whole too when only its end of line is missing.
    whole += content[len(cut) :].startswith(b"\n")
    torn = () if not cut or cut.endswith(b"\n") or whole > cut.count(b"\n") else (whole + 1,)
    assert journal.read() == Entries(tuple(notes[:whole]), torn)
    journal.append(notes[0])
    assert journal.read() == Entries((*notes[:whole], notes[0]), torn)
    assert journal.path.read_bytes().startswith(cut)


@pytest.mark.parametrize(
    "line",
    [
        '{"text": "a", "place": 1, "share": 0.5}',
        '{"text": "a", "place": 1, "share": 0.5, "other": null, "more": 1}',
        '{"text": "a", "place": true, "share": 0.5, "other": null}',
        '{"text": 3, "place": 1, "share": 0.5, "other": null}',
        '["a", 1, 0.5, null]',
    ],
)
def test_a_line_with_other_fields_or_types_is_named(tmp_path, line):
    (tmp_path / "notes.jsonl").write_text(f"\n{line}\n")
    read = Journal(tmp_path / "notes.jsonl", Note).read()
    assert read == Entries((), (2,))
    assert read.notes(tmp_path / "notes.jsonl")[0].startswith("notes.jsonl, line 2: not a whole record")


def test_no_file_is_an_empty_journal_and_one_that_cannot_be_made_is_refused(tmp_path):
    assert Journal(tmp_path / "none.jsonl", Note).read() == Entries()
    first = Note("a", 1, 0.5, None)
    Journal(tmp_path / "new" / "notes.jsonl", Note).append(first)
    assert Journal(tmp_path / "new" / "notes.jsonl", Note).read() == Entries((first,))
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot write"):
        Journal(tmp_path / "file" / "notes.jsonl", Note).prepare()
