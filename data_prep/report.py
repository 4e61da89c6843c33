"""The report that a person reads: tables on standard error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from data_prep.cleaning import MARKS, Tally
from seq2seq.settings.labels import Labels

MANY = 0.02  # share of a split
LARGE = 0.1  # share of the training pairs that one filter drops
_MARKS = {
    "entities": "hold entities such as &quot; and &apos;, which stay as they are, and which a model will write too: "
                "replace them in the raw text if they are not meant",
    "C1 controls": "hold control characters (U+0080 to U+009F), which cleaning.control removes. They are what Windows-"
                   "1252 becomes when it is read as Latin-1: convert the raw text with iconv -f CP1252 -t UTF-8",
}
WIDTH = 110  # where standard error is no terminal


def show(folder: Path, manifest: dict[str, Any]) -> None:
    """Prints splits, cleaning and overlap of a manifest."""
    console = Console(stderr=True)
    if not console.is_terminal:
        console = Console(stderr=True, width=WIDTH)
    console.print(_splits(folder, manifest))
    console.print(_cleaning(manifest["cleaning"]))
    if manifest["overlap"]:
        console.print(_overlap(manifest))
    for line in _hints(manifest):
        console.print(line, highlight=False, soft_wrap=True)


def nothing_left(tallies: dict[str, Tally]) -> str:
    """The error of a training split without a pair."""
    dropped = {name: tally.dropped for name, tally in tallies.items() if tally.dropped}
    if not dropped:
        return "the training split is empty. Give one with at least one pair."
    counts = ", ".join(f"{name} {count:,}" for name, count in dropped.items())
    return (
        f"no training pair is left after cleaning (dropped: {counts}). "
        "Loosen a filter or switch it off: cleaning.NAME.enabled=false"
    )


def listed(names: list[str], most: int = 4) -> str:
    """The first names as a phrase."""
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


def _losses(cleaning: dict[str, Any]) -> list[str]:
    """A line for each filter that took more than a tenth of the training pairs."""
    total = max(row["checked"] for row in cleaning.values())
    lines = []
    for name, row in cleaning.items():
        if row["dropped"] > LARGE * total:
            group, off = ("overlap", "remove=none") if name == "overlap" else (f"cleaning.{name}", "enabled=false")
            example = escape(" | ".join(row["examples"][0])[:160])
            lines.append(f"{group} dropped {row['dropped']:,} of {total:,} training pairs "
                         f"({row['dropped'] / total:.0%}), for example: {example}. To keep such pairs: {group}.{off}")
    return lines


def _noticed(cleaning: dict[str, Any]) -> list[str]:
    """A line for each sign that something was done to the text before."""
    return [f"{rows[name]['noticed']:,} of {max(row['checked'] for row in rows.values()):,} pairs of {split} {said}"
            for split, rows in cleaning.items() for name, said in _MARKS.items() if name in rows]


def _hints(manifest: dict[str, Any]) -> list[str]:
    """What a person should know: filters that took much, signs of damaged text, and what to do about sentences of
    validation and test that training has, when they are many.
    """
    settings = manifest["origin"]["settings"]
    lines = _losses(manifest["cleaning"]["train"]) + _noticed(manifest["cleaning"])
    if settings["overlap"]["remove"] != "none":
        return lines
    labelled = Labels(settings.get("labels", "none")).side  # all splits have the same labels
    for split, matches in manifest["overlap"].items():
        for part in (side for side in ("source", "target") if side != labelled):
            row = matches["normalised"][part]
            if row["lines"] > MANY * manifest["counts"][split]:
                share = row["lines"] / manifest["counts"][split]
                lines.append(
                    f"{share:.0%} of the {part} sentences of {split} are in training too. "
                    f"overlap.remove={part} takes those {row['training_pairs']:,} pairs out of training."
                )
    return lines


def _splits(folder: Path, manifest: dict[str, Any]) -> Table:
    source, target = manifest["languages"]
    joint = len(set(manifest["tokenizers"])) == 1
    sizes = " and ".join(f"{size:,}" for size in manifest["vocabulary"][: 1 if joint else 2])
    table = Table(title=f"{escape(str(folder))}: {source}-{target}, {sizes} pieces")
    table.add_column("split")
    for column in ("pairs", f"pieces/{source}", f"pieces/{target}", "unknown pieces"):
        table.add_column(column, justify="right")
    for split, row in manifest["splits"].items():
        table.add_row(split, f"{row['pairs']:,}", *(f"{mean:.1f}" for mean in row["mean_pieces"]),
                      f"{sum(row['unknown_pieces']):,}")
    return table


def _cleaning(cleaning: dict[str, Any]) -> Table:
    """Counts of training; in brackets those that would concern validation and test, which stay as they are."""
    table = Table(title="cleaning (validation and test are only looked at; ten examples each in manifest.json)")
    table.add_column("filter")
    for column in ("checked", "changed", "dropped"):
        table.add_column(column, justify="right")
    others = [split for split in cleaning if split != "train"]
    for split in others:
        table.add_column(split, justify="right")
    table.add_column("example", overflow="ellipsis", no_wrap=True, max_width=48)
    for name, row in cleaning["train"].items():
        if name in MARKS:  # told in lines of their own
            continue
        counts = [f"{row[key]:,}" for key in ("checked", "changed", "dropped")]
        for split in others:
            there = cleaning[split].get(name)
            counts.append(f"{there['changed'] + there['dropped']:,}" if there else "")
        example = " | ".join(row["examples"][0]) if row["examples"] else ""
        table.add_row(name, *counts, escape(repr(example)[1:-1]))
    return table


def _overlap(manifest: dict[str, Any]) -> Table:
    table = Table(title="overlap: sentences of validation and test that training has too")
    for column in ("split", "match"):
        table.add_column(column)
    for column in ("pairs", "source sides", "target sides", "training pairs concerned"):
        table.add_column(column, justify="right")
    for split, matches in manifest["overlap"].items():
        total = manifest["counts"][split]
        for match, parts in matches.items():
            rows = [parts[part] for part in ("pair", "source", "target")]
            lines = [f"{row['lines']:,} ({row['lines'] / total:.1%})" for row in rows]
            table.add_row(split, match, *lines, " / ".join(f"{row['training_pairs']:,}" for row in rows))
    return table
