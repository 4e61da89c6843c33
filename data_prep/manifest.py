"""manifest.json: what a packed corpus is, where it came from and what happened on the way.

No path, time or machine is in it: the same input and settings give the same bytes.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

from data_prep.cleaning import Tally
from data_prep.passes import Encoded
from data_prep.sources.base import Source
from seq2seq.corpus.integrity import checksum
from seq2seq.corpus.packed import FORMAT_VERSION, MANIFEST
from seq2seq.errors import CorpusError
from seq2seq.settings.labels import Labels
from seq2seq.settings.prepare import PrepareSettings
from seq2seq.settings.reading import differences, write_settings
from seq2seq.text.languages import writes_zero_width_spaces
from seq2seq.tokenization.tokenizer import Tokenizer

STEPS = 4  # raised whenever the same input and settings would give another corpus than before
_ELSEWHERE = ("corpus", "num_proc")                 # settings that change no byte
_PATHS = ("train", "valid", "test", "raw_dir", "path")  # of the input: its fingerprint stands for it


def origin(source: Source, settings: PrepareSettings, given: tuple[Tokenizer, Tokenizer] | None) -> dict[str, Any]:
    """All that decides the bytes of the corpus: the raw input, the settings, the version of the steps.

    `given`: the tokenizers of another corpus, which stand for the settings of new ones.
    """
    written = write_settings(settings)
    for key in _ELSEWHERE:
        written.pop(key)
    del written["tokenizer"]["corpus"]  # a path
    if settings.labels is Labels.NONE:  # as when there was no such setting
        del written["labels"]
    if not settings.tokenizer.symbols:  # what was prepared before there were any stays as it is
        del written["tokenizer"]["symbols"]
    if given is not None:
        written["tokenizer"] = [tokenizer.hash for tokenizer in given]
    written["data"] = {
        key: value for key, value in written["data"].items() if not (key in _PATHS and isinstance(value, str))
    }
    steps: dict[str, Any] = {"steps": STEPS}
    if any(map(writes_zero_width_spaces, source.languages)):  # which were removed once
        steps["zero_width_spaces"] = "kept"
    return json.loads(json.dumps({"raw": source.fingerprint(), "settings": written, **steps}))


def existing(folder: Path) -> dict[str, Any] | None:
    """The manifest of the corpus in `folder`; {} when it is damaged, None when there is nothing yet.

    Raises CorpusError when something else is there: it would be overwritten.
    """
    path = folder / MANIFEST
    if path.is_file():
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise CorpusError(f"{folder} is there and is no packed corpus. Give another folder: corpus=FOLDER")
    return None


def changes(folder: Path, old: dict[str, Any], new_origin: dict[str, Any]) -> list[str]:
    """What differs between the corpus in `folder` and the one to be made; empty: nothing."""
    if old.get("format_version") != FORMAT_VERSION or not {"files", "checksums", "origin"} <= old.keys():
        return ["the corpus format"]
    if files(folder) != old["files"] or checksums(folder) != old["checksums"]:
        return ["its files"]
    changed: dict[str, None] = {}
    for key, _, _ in differences(old["origin"], new_origin):
        changed["the raw text" if key.startswith("raw") else key.removeprefix("settings.")] = None
    return list(changed)


def describe(languages: tuple[str, str], packed: dict[str, list[Encoded]], tokenizers: tuple[Tokenizer, Tokenizer],
             tallies: dict[str, dict[str, Tally]], shared: dict[str, Any]) -> dict[str, Any]:
    """The manifest but for the origin and the files."""
    splits = {}
    for split, parts in packed.items():
        pairs = sum(part.pairs for part in parts)
        pieces = [sum(part.pieces[side] for part in parts) for side in (0, 1)]
        splits[split] = {
            "pairs": pairs,
            "pieces": pieces,
            "mean_pieces": [round(count / max(pairs, 1), 3) for count in pieces],
            "unknown_pieces": [sum(part.unknown[side] for part in parts) for side in (0, 1)],
        }
    content = (part.hash for parts in packed.values() for part in parts)
    return {
        "format_version": FORMAT_VERSION,
        "languages": list(languages),
        "hash": digest(*(tokenizer.hash for tokenizer in tokenizers), *packed, *content),
        "counts": {split: row["pairs"] for split, row in splits.items()},
        "splits": splits,
        "vocabulary": [len(tokenizer) for tokenizer in tokenizers],
        "tokenizers": [tokenizer.hash for tokenizer in tokenizers],
        "cleaning": {split: {name: dataclasses.asdict(tally) for name, tally in rows.items()}
                     for split, rows in tallies.items()},
        "overlap": shared,
    }


def write(folder: Path, manifest: dict[str, Any]) -> None:
    """Writes it as the last file, with the sizes and checksums of the others."""
    written = manifest | {"files": files(folder), "checksums": checksums(folder)}
    text = json.dumps(written, ensure_ascii=False, indent=1, sort_keys=True)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8", errors="surrogatepass")


def files(folder: Path) -> dict[str, int]:
    """Every file of the corpus but the manifest, with its bytes."""
    found = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
    return {str(path.relative_to(folder)): path.stat().st_size for path in found}


def checksums(folder: Path) -> dict[str, str]:
    """The xxh3_128 of every file of the corpus but the manifest."""
    return {name: checksum(folder / name) for name in files(folder)}


def digest(*parts: str) -> str:
    """SHA-256 of the parts."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
