"""`lightfast library review|queue`: people are asked, and answer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from typer import Argument, Option

from lightfast.base.errors import SettingsError
from lightfast.cli.groups import library_app
from lightfast.cli.library import LibraryArg, number_of_user, opened
from lightfast.cli.parameters import AsJson, Device, Seed
from lightfast.cli.terminal import print_result

if TYPE_CHECKING:
    from lightfast.library.library import Library
    from lightfast.library.review.review import AnswerRow

Pairs = list[str] | None
Reviewer = Annotated[
    str | None, Option("--as", metavar="NAME", help="Who decides. Default: the user of this machine.")
]


@library_app.command(
    "review", epilog="Example: lightfast library review archive/ --confirm 12=cat --reject 15=dog"
)
def library_review(
    library: LibraryArg,
    reviewer: Reviewer = None,
    count: Annotated[
        int, Option("--count", min=1, max=500, metavar="N", help="How many pictures to show.")
    ] = 10,
    order: Annotated[
        Literal["uncertainty", "label", "cluster", "newest"],
        Option("--order", metavar="uncertainty|label|cluster|newest", help="Which pictures come first."),
    ] = "uncertainty",
    out: Annotated[
        Path | None, Option("--out", metavar="FILE.csv", help="Write the pictures as a table to fill in.")
    ] = None,
    answers: Annotated[
        Path | None,
        Option("--decide", metavar="FILE", help="Take up a filled table (decided_label) or lines of JSON."),
    ] = None,
    confirm: Annotated[
        Pairs, Option("--confirm", metavar="PICTURE=LABEL", help="It is this; may be repeated.")
    ] = None,
    reject: Annotated[
        Pairs, Option("--reject", metavar="PICTURE=LABEL", help="It is not this; may be repeated.")
    ] = None,
    skip: Annotated[
        Pairs, Option("--skip", metavar="PICTURE", help="Later: it comes back behind the others.")
    ] = None,
    second: Annotated[
        Pairs,
        Option(
            "--second-opinion",
            metavar="PICTURE[=LABEL]",
            help="Ask somebody else, who does not see LABEL, the own opinion. A third person is asked where "
            "the two differ.",
        ),
    ] = None,
    send_back: Annotated[
        Pairs, Option("--send-back", metavar="PICTURE", help="It was decided: let it be decided again.")
    ] = None,
    undo: Annotated[bool, Option("--undo", help="Take back your last act that holds.")] = False,
    redo: Annotated[bool, Option("--redo", help="Do again what you took back last.")] = False,
    add_labels: Annotated[
        bool, Option("--add-labels", help="Labels that the library does not know are made.")
    ] = False,
    over: Annotated[bool, Option("--over", help="Decide over what other people decided.")] = False,
    as_json: AsJson = False,
    seed: Seed = 0,
    device: Device = "auto",
) -> None:
    """Show the next pictures to decide, or take up decisions.

    What is shown is yours for ten minutes: nobody else is shown it. PICTURE is a number or a path.
    """
    acts = {
        "confirm": confirm,
        "reject": reject,
        "skip": skip,
        "second_opinion": second,
        "send_back": send_back,
    }
    given = [name for name, value in (("--decide", answers), ("--undo", undo), ("--redo", redo)) if value]
    given += ["an act"] * any(acts.values())
    if len(given) > 1:
        raise SettingsError("`review`", expected="one kind of answer at a time", got=" and ".join(given))
    from lightfast.serve.settings import login_name

    with opened(library) as held:
        who = reviewer or login_name()
        user = _user(held, who)
        if undo or redo:
            _move(held, user, undo=undo, as_json=as_json)
        elif given:
            rows = _rows(acts) if answers is None else _answers(answers, who)
            _decide(held, user, rows, as_json, add_labels=add_labels, over=over)
        else:
            _show(held, user, (count, order), out, as_json=as_json)


@library_app.command("queue", epilog="Example: lightfast library queue archive/ tags.csv.queue.csv")
def library_queue(
    library: LibraryArg,
    file: Annotated[
        Path,
        Argument(metavar="FILE", help="A queue that predict, repair, curate or select wrote, or your own."),
    ],
    root: Annotated[
        Path | None, Option("--root", metavar="FOLDER", help="The folder that the names in FILE start at.")
    ] = None,
    as_json: AsJson = False,
    seed: Seed = 0,
    device: Device = "auto",
) -> None:
    """Queue the pictures that another verb wants people to look at."""
    from lightfast.cli.text.library_review import intake_lines
    from lightfast.library.intake import take_up_queue

    with opened(library) as held:
        result = take_up_queue(held, file, root=root, by=held.store.act(number_of_user))
    print_result(result, as_json, intake_lines(result))


def _user(library: Library, name: str) -> int:
    from lightfast.library.people.users import user_number

    return library.store.act(lambda connection: user_number(connection, name))


def _show(library: Library, user: int, asked: tuple[int, Any], out: Path | None, *, as_json: bool) -> None:
    from lightfast.cli.text.library_review import asked_lines
    from lightfast.library.answer_file import write_asked
    from lightfast.library.review.review import next_asked

    if out is not None and out.exists():
        raise SettingsError(f"{out} is there already", cure="Name another file as `out`.")
    found = next_asked(library, user, *asked)
    if out is not None and found:
        write_asked(out, found)
    print_result({"asked": found, "out": out}, as_json, asked_lines(found, out))


def _decide(
    library: Library, user: int, rows: list[AnswerRow], as_json: bool, *, add_labels: bool, over: bool
) -> None:
    from lightfast.cli.text.library_review import acted_lines
    from lightfast.library.review.review import decide_rows

    result = decide_rows(library, user, rows, add_labels=add_labels, over=over)
    print_result(result, as_json, acted_lines(result))


def _move(library: Library, user: int, *, undo: bool, as_json: bool) -> None:
    from lightfast.library.review import undo as moves

    result = moves.undo(library.store, user) if undo else moves.redo(library.store, user)
    word = "taken back" if undo else "done again"
    count = len(result.decision_ids)
    print_result(result, as_json, [f"{word:<10} {count:,} decisions" if count else f"nothing to be {word}"])


def _rows(acts: dict[str, Pairs]) -> list[AnswerRow]:
    from lightfast.library.review.review import AnswerRow

    return [AnswerRow(*_pair(text, act), act=act) for act, given in acts.items() for text in given or ()]


def _pair(text: str, act: str) -> tuple[str, str]:
    """PICTURE=LABEL; a number before the first "=", else a path, which may hold one itself."""
    picture, sign, label = text.partition("=")
    if not picture.isdecimal() and sign:
        picture, sign, label = text.rpartition("=")
    if act in ("confirm", "reject") and not label:
        raise SettingsError(f"`{act}` {text!r}", expected="PICTURE=LABEL", cure=f"E.g. {act} 12=cat.")
    return picture, label


def _answers(path: Path, who: str) -> list[AnswerRow]:
    from lightfast.library.answer_file import load_answer_rows, load_table_rows, reviewers_in

    rows = list(load_answer_rows(path))
    if others := reviewers_in(load_table_rows(path)) - {who}:
        raise SettingsError(
            f"{path} was filled by {', '.join(sorted(others))}, not by {who}",
            cure="Take up each person's rows in that person's name: `as`.",
        )
    return rows
