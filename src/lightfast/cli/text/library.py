"""What the verbs of a library did, for a terminal."""

from __future__ import annotations

from lightfast.cli.text.columns import NAMED
from lightfast.library.add import AddResult
from lightfast.library.summary import LibrarySummary
from lightfast.runs.library.tag import LibraryTagResult


def add_lines(result: AddResult) -> list[str]:
    """What was added, and what could not be read."""
    counts = {
        "new": result.added,
        "known and unchanged": result.known,
        "copies of known ones": result.copies,
        "changed since": result.changed,
        "back from the deleted": result.restored,
        "unreadable": len(result.unreadable),
    }
    lines = ["pictures   " + ", ".join(f"{count:,} {word}" for word, count in counts.items() if count)]
    lines += [f"  {one.path}: {one.reason}" for one in result.unreadable[:NAMED]]
    if len(result.unreadable) > NAMED:
        lines.append(f"  … and {len(result.unreadable) - NAMED:,} more (--json names all)")
    return lines


def tag_lines(result: LibraryTagResult) -> list[str]:
    """How many pictures were seen, accepted, queued."""
    if not (result.seen or result.lost or result.unreached):
        return [f"{result.model} has seen every picture of the library"]
    lines = [
        f"seen       {result.seen:,} pictures by {result.model}",
        f"accepted   {result.accepted:,}" + (f" by {result.rule}" if result.rule else ""),
        f"queued     {result.queued:,} for a person",
    ]
    if result.decided:
        lines.append(f"decided    {result.decided:,} that people had decided before stay so")
    if result.lost:
        lines.append(
            f"not seen   {result.lost:,} whose files are not where they were, as they were: bring them back, "
            "or add them from where they lie now, and give the command again"
        )
        lines += [f"  {one.path}: {one.reason}" for one in result.named[:NAMED]]
        if result.lost > len(result.named[:NAMED]):
            lines.append(f"  … and {result.lost - len(result.named[:NAMED]):,} more")
    if result.unreached:
        lines.append(f"not seen   {result.unreached:,} that could not be fetched now: give the command again")
    return lines


def summary_lines(result: LibrarySummary) -> list[str]:
    """A library in a few lines."""
    aside = {"unreadable": result.unreadable, "deleted": result.deleted}
    said = "".join(f", {count:,} {word}" for word, count in aside.items() if count)
    lines = [
        f"library    {result.folder} ({result.database})",
        f"pictures   {result.pictures:,}{said}; {result.places:,} files",
        f"model      {result.model or 'none promoted'}",
        f"waiting    {result.waiting:,} for a person; {result.decisions:,} acts of people so far",
    ]
    if result.first and result.last:
        lines.append(f"taken      {result.first:%Y-%m-%d} to {result.last:%Y-%m-%d}")
    for one in result.labels:
        rejected = f", {one.rejected:,} rejected" if one.rejected else ""
        lines.append(f"  {one.name}: {one.confirmed:,} confirmed, {one.suggested:,} suggested{rejected}")
    return lines
