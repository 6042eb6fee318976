"""What people wrote into a review queue: the filled cells of its column `decided_label`, checked against the
pictures that were asked about, as decisions.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lightfast.base.errors import DataError, UnknownName
from lightfast.data.decisions import Decision

if TYPE_CHECKING:
    import pyarrow as pa

DECIDED, CONTENT, REVIEWER = "decided_label", "content", "reviewer"
"""Columns of a queue: what a person decided (empty = not yet), the content hash of the picture that was asked
about, and who decided.
"""
READ_AS = "read_as"
"""Column of a queue: the size at which its pictures were read, which their content hashes depend on."""
_COLUMNS = ("id", CONTENT, DECIDED, REVIEWER)
_NAMED = 3


@dataclass(frozen=True)
class AskedPicture:
    """A picture that a queue may ask about: its id and content hash, its label before (None: none), and
    whether it is asked about now.
    """

    id: str
    content: str
    given_label: str | None = None
    in_queue: bool = True


@dataclass(frozen=True)
class SetAsideAnswer:
    """An answer that could not be taken up, and why not."""

    id: str
    decided_label: str
    reason: str


@dataclass(frozen=True)
class QueueAnswers:
    """What a filled queue says.

    Attributes:
        decisions: one an answered picture, in the order of the file.
        empty: rows without an answer.
        set_aside: answers about pictures that are not asked about, or have changed since.
    """

    decisions: tuple[Decision, ...]
    empty: int
    set_aside: tuple[SetAsideAnswer, ...]


def read_answers(
    path: Path, asked: Sequence[AskedPicture], class_names: Sequence[str], reviewer: str | None = None
) -> QueueAnswers:
    """Read and check the answers in a queue, a .csv or .parquet file.

    Args:
        path: a queue with the columns `id`, `content` and `decided_label`, and `reviewer` where several
            people filled it.
        asked: the pictures as they are now.
        class_names: what may be decided.
        reviewer: who decided, where the file does not say it.

    Answers that do not fit the pictures are set aside, each with its reason; a label that is no class is a
    mistake that can be mended, and refuses the whole file. Raises DataError: no queue with answers, none at
    all, nobody's, two for one picture; UnknownName: a label that is no class.
    """
    require_answers(path)
    rows = _rows(path)
    filled = [row for row in rows if row[DECIDED]]
    _check_labels(path, filled, class_names)
    _check_once(path, filled)
    pictures: dict[str, list[AskedPicture]] = defaultdict(list)
    for one in asked:
        pictures[one.id].append(one)
    decisions, aside = [], []
    for row in filled:
        known = _same(row, pictures[row["id"]])
        if isinstance(known, str):
            aside.append(SetAsideAnswer(row["id"], row[DECIDED], known))
            continue
        who = row[REVIEWER] or (reviewer or "").strip()
        if not who:
            raise DataError(
                f"{path} does not say who decided",
                expected="the name of a person",
                cure=f"Give `reviewer`, or fill a column {REVIEWER}.",
            )
        change = (known.given_label, row[DECIDED])
        said = {"reviewer": who, "reason": f"from {path.name}"}
        decisions.append(Decision.of((known.id, known.content), change, **said))
    return QueueAnswers(tuple(decisions), len(rows) - len(filled), tuple(aside))


def require_answers(path: Path) -> None:
    """Refuse a file without answers before anything is computed; raises DataError."""
    if not path.is_file():
        raise DataError(f"no such file of answers: {path}", cure="Give the queue that was filled.")
    if not any(row[DECIDED] for row in _rows(path)):
        raise DataError(
            f"{path} holds no answers: every cell of its column {DECIDED} is empty",
            cure=f"Write the name of a class into {DECIDED} of the pictures that you have looked at.",
        )


def shape_text(shape: tuple[int, int, int]) -> str:
    """What stands in the column `READ_AS`: (224, 200, 3) → "224x200x3"."""
    return "x".join(map(str, shape))


def queue_shape(path: Path) -> tuple[int, int, int] | None:
    """(H, W, C) at which the pictures of a queue were read; None where it does not say so, or in several
    ways. Raises DataError for a file that is no queue.
    """
    table = _table(path)
    said = set(table.column(READ_AS).to_pylist()) if READ_AS in table.column_names else set()
    numbers = str(said.pop()).split("x") if len(said) == 1 else ()
    if len(numbers) != 3 or not all(number.isdecimal() for number in numbers):
        return None
    height, width, channels = map(int, numbers)
    return height, width, channels


def filled_cells(path: Path) -> list[tuple[str, str, str]]:
    """(id, content, decided label) of the answers in a queue; none of a file that is not there or no queue
    with answers.
    """
    if not path.is_file():
        return []
    try:
        rows = _rows(path)
    except DataError:
        return []
    return [(row["id"], row[CONTENT], row[DECIDED]) for row in rows if row[DECIDED]]


def require_unanswered(path: Path, cure: str) -> None:
    """Refuse to write over a queue in which somebody has answered (DataError)."""
    if count := len(filled_cells(path)):
        raise DataError(f"{path} holds {count:,} answers, which would be written over", cure=cure)


def _rows(path: Path) -> list[dict[str, str]]:
    """The columns of answers as texts without blanks around them; `reviewer` empty where there is none."""
    table = _table(path)
    missing = [name for name in _COLUMNS[:3] if name not in table.column_names]
    if missing:
        raise DataError(
            f"{path} is no review queue with answers: it has no column {', '.join(missing)}",
            got=", ".join(table.column_names),
            cure="Fill the queue.csv that `curate`, `repair` or `predict` wrote; keep it a CSV with commas.",
        )
    found = table.select([name for name in _COLUMNS if name in table.column_names]).to_pylist()
    return [{name: _text(name, row.get(name)) for name in _COLUMNS} for row in found]


def _text(name: str, value: object) -> str:
    text = "" if value is None else str(value)
    # An id is a path, which may begin or end with a blank.
    return text if name == "id" else text.strip()


def _table(path: Path) -> pa.Table:
    from pyarrow import ArrowException, csv, parquet, string

    if path.suffix not in (".csv", ".parquet"):
        raise DataError(f"answers in {path}", expected="a .csv or .parquet file")
    try:
        if path.suffix == ".parquet":
            return parquet.read_table(path)
        options = csv.ConvertOptions(column_types=dict.fromkeys(_COLUMNS, string()))
        parse = csv.ParseOptions(newlines_in_values=True)
        return csv.read_csv(path, parse_options=parse, convert_options=options)
    except (ArrowException, OSError) as error:
        raise DataError(f"{path} is no review queue ({str(error).splitlines()[0]})") from error


def _check_labels(path: Path, filled: Sequence[Mapping[str, str]], class_names: Sequence[str]) -> None:
    unknown = [row for row in filled if row[DECIDED] not in class_names]
    if unknown:
        more = f" (and in {len(unknown) - 1:,} other rows)" if len(unknown) > 1 else ""
        where = f"class in {path}, {unknown[0]['id']}{more}:"
        raise UnknownName(where, unknown[0][DECIDED], class_names)


def _check_once(path: Path, filled: Sequence[Mapping[str, str]]) -> None:
    said: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in filled:
        said[row["id"], row[CONTENT]].add(row[DECIDED])
    twice = [f"{one} ({', '.join(sorted(labels))})" for (one, _), labels in said.items() if len(labels) > 1]
    if twice:
        raise DataError(
            f"{path} answers {len(twice):,} pictures in two ways: {', '.join(twice[:_NAMED])}",
            cure="Leave one answer each.",
        )


def _same(row: Mapping[str, str], known: Sequence[AskedPicture]) -> AskedPicture | str:
    """The picture that a row of answers is about, or why there is none."""
    if not known:
        return "no picture of this name is among those that were given"
    same = [one for one in known if one.content == row[CONTENT]]
    if not same:
        return "the picture has changed since it was asked about (its content hash is another one)"
    return same[0] if same[0].in_queue else "this picture was not in the queue"
