"""Evaluations on disk: what they are called, so that none replaces another, and how a run's is found again.

    <folder>/<name>.json   scores with signatures and intervals, perplexity, speed, settings
    <folder>/<name>.tsv    source, reference, translation or labels, side by side
    <folder>/<name>-compare-<other run>.tsv    with another run's, the largest gain first

`folder` is output=, or evaluation/ in the folder of the (first) run. `name` is the split or the file, followed by what
is not as usual: `test`, `test-beam_size-10`, `test-ensemble-reranked-length_penalty-2`. Where that is the name of an
evaluation of other sentences or models, six digits of a hash tell the two apart.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import logging
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from seq2seq.errors import UserError
from seq2seq.scoring import sentence_bleu
from seq2seq.settings.evaluate import EvaluateSettings
from seq2seq.settings.model import Shape
from seq2seq.settings.reading import write_settings
from seq2seq.settings.runs import as_list
from seq2seq.settings.search import SearchKind, SearchSettings
from seq2seq.storage.atomic import whole_file, writable_folder
from seq2seq.text.lines import read_lines

if TYPE_CHECKING:
    from seq2seq.bundle.bundle import Bundle

COLUMNS = ("source", "reference", "translation")
FURTHER_MODELS = ("backward", "forward", "second_decoder")    # of rerank: what else takes part
EARLIER = ("ensemble", "reverse", "rescore", "rescore_own")   # likewise, in records of earlier versions
NO_MATTER = ("kind", "batch_pieces", "n_best")  # of search: in the name already, or the translation is the same
LONGEST_NAME = 150  # bytes, so that name, ending and a suffix while it is written stay below 255
log = logging.getLogger("seq2seq")


@dataclasses.dataclass(frozen=True)
class Pairs:
    """The sentences of an evaluation, as raw text."""

    name: str               # the split, or the file name of the sources
    origin: dict[str, str]  # corpus folder and hash, or the two files and the hash of their text
    sources: list[str]
    references: list[str]


class Files(NamedTuple):
    """Where an evaluation is stored."""

    folder: Path
    name: str
    identity: str  # hash of the sentences and of the settings that decide how they are translated

    def path(self, ending: str) -> Path:
        return self.folder / f"{self.name}{ending}"

    def write(self, ending: str, content: bytes) -> None:
        """Writes one file whole. Raises UserError where it cannot be written."""
        with _cure():
            whole_file(self.path(ending), content)


@dataclasses.dataclass(frozen=True)
class Stored:
    """Another run's evaluation of the same sentences, read from its folder."""

    run: str
    pairs: list[tuple[str, str]]  # source, reference
    translations: list[str]


@contextlib.contextmanager
def _cure() -> Iterator[None]:
    try:
        yield
    except UserError as error:
        raise UserError(f"{error} Name the folder for the scores with output=FOLDER.") from None


def open_files(settings: EvaluateSettings, bundle: Bundle, pairs: Pairs) -> Files:
    """Makes the folder before the work that fills it, and chooses the name. Raises UserError if that cannot be."""
    folder, shape = Path(settings.output or Path(settings.runs[0], "evaluation")), bundle.settings.shape
    with _cure():
        writable_folder(folder)
    name, identity = evaluation_name(_base(bundle, pairs), settings, shape), _identity(settings, shape, pairs)
    stored = _record(folder / f"{name}.json")
    if stored is not None and _is_another(stored, identity, pairs):
        log.info("%s is of %s, and is not replaced: this evaluation is called %s-%s", folder / f"{name}.json",
                 _described(stored), name, identity[:6])
        name = f"{name}-{identity[:6]}"
    elif stored is not None and "identity" not in stored:
        log.info("%s is replaced: an older version stored it, without all of its settings", folder / f"{name}.json")
    return Files(folder, name, identity)


def evaluation_name(base: str, settings: EvaluateSettings, shape: Shape) -> str:
    """The split or file, and what is not as usual in how it is translated."""
    words = [base]
    if shape is Shape.N_TO_M:
        words += ["ensemble"] * (len(settings.runs) > 1)
        words += ["reranked"] * settings.rerank.active
        if settings.search.kind is not SearchKind.BEAM:
            words.append(settings.search.kind.value)
        words += _differing(settings.search, [field.name for field in dataclasses.fields(settings.search)
                                              if field.name not in NO_MATTER])
        words += _differing(settings.rerank, ["backward_weight", "forward_weight"])
        words += _differing(settings, ["precision"])
        words += _differing(settings.scoring, ["tokenize"])
    return safe_name("-".join([*words, *_differing(settings, ["max_source_pieces"])]))


def safe_name(text: str) -> str:
    """A file name that no shell, Hydra or file system reads as anything else; a long one ends in a hash."""
    name = re.sub(r"[^\w.+-]", "_", text)
    if len(name.encode()) <= LONGEST_NAME:
        return name
    return f"{name.encode()[:LONGEST_NAME - 7].decode(errors='ignore')}-{hashlib.sha256(text.encode()).hexdigest()[:6]}"


def write_record(files: Files, pairs: Pairs, record: dict[str, Any], answers: Sequence[str] | None) -> None:
    """Writes <name>.json, and <name>.tsv with `answers` after the references. Raises UserError where it cannot."""
    before, now = ((one or {}).get("comparison") or {} for one in (_record(files.path(".json")), record))
    if before and before.get("run") != now.get("run"):
        log.info("%s no longer holds the comparison with %s (p = %s)", files.path(".json"),
                 before.get("run", "another run"), before.get("p_value"))
    if answers is not None:
        rows = [COLUMNS, *zip(pairs.sources, pairs.references, answers, strict=True)]
        files.write(".tsv", _table(rows))
    record = record | {"identity": files.identity}
    files.write(".json", (json.dumps(record, indent=1, ensure_ascii=False) + "\n").encode())


def write_differences(files: Files, stored: Stored, pairs: Pairs, translations: list[str], tokenize: str) -> None:
    """Writes <name>-compare-<other run>.tsv: both translations of each line and their BLEU, the largest gain first."""
    own, others = (sentence_bleu(texts, pairs.references, tokenize) for texts in (translations, stored.translations))
    order = sorted(range(len(own)), key=lambda row: others[row] - own[row])
    rows = [("line", "BLEU", f"BLEU of {stored.run}", *COLUMNS, f"translation of {stored.run}")]
    rows += [(str(row + 1), f"{own[row]:.1f}", f"{others[row]:.1f}", pairs.sources[row], pairs.references[row],
              translations[row], stored.translations[row]) for row in order]
    place = Path(os.path.abspath(stored.run))
    other = f"{place.parent.name}-{place.name}" if place.name in ("best", "last") else place.name
    files.write(f"-compare-{safe_name(other)}.tsv", _table(rows))


def read_stored(run: str, pairs: Pairs, search: SearchSettings) -> Stored:
    """The translations that `run` (or a folder of evaluations) stored for these pairs, by that model alone.

    Of several those by the same search, else by the usual one, else the newest. Raises UserError when there are none.
    """
    folder = Path(run, "evaluation") if Path(run, "evaluation").is_dir() else Path(run)
    here = [(source.replace("\t", " "), reference.replace("\t", " "))
            for source, reference in zip(pairs.sources, pairs.references, strict=True)]
    found, others = [], []
    for path, record in _alone(folder):
        rows = [line.split("\t") for line in read_lines(path)][1:]
        if all(len(row) == len(COLUMNS) for row in rows) and [(row[0], row[1]) for row in rows] == here:
            ranks = *(not _otherwise(record, one) for one in (search, SearchSettings())), path.stat().st_mtime_ns
            found.append((ranks, path, record, [row[2] for row in rows]))
        elif path.stem == pairs.name or path.stem.startswith(f"{pairs.name}-"):
            others.append(path)
    if not found:
        same = " ".join(f"{key}={value}" for key, value in pairs.origin.items() if key != "hash")
        how = f"python evaluate.py run={run} {same}" + (f" split={pairs.name}" if "corpus" in pairs.origin else "")
        if others:
            raise UserError(f"compare={run} was evaluated on other sentences than these ({others[0]}). Evaluate both "
                            f"on the same, with: {how}")
        raise UserError(f"compare={run} has no evaluation of {pairs.name} ({folder}). Make it with: {how}")
    _, path, record, translations = max(found, key=lambda one: one[0])
    if differing := _otherwise(record, search):
        log.info("compared with %s, which was searched otherwise: %s", path, ", ".join(differing))
    return Stored(run, here, translations)


def _alone(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The tables of the evaluations in which one model took part alone, and what is stored with them."""
    for path in sorted(folder.glob("*.json")):
        record, table = _record(path), path.with_name(f"{path.stem}.tsv")
        if record and table.is_file() and not _further_models(record):
            yield table, record


def _further_models(record: dict[str, Any]) -> dict[str, Any]:
    """What took part in an evaluation besides its first run, by setting."""
    runs, rerank = record.get("runs") or [], record.get("rerank") or {}
    found = {"run": runs if len(runs) > 1 else None, **{f"rerank.{key}": rerank.get(key) for key in FURTHER_MODELS},
             **{key: record.get(key) for key in EARLIER}}
    return {key: value for key, value in found.items() if value}


def _otherwise(record: dict[str, Any], search: SearchSettings) -> list[str]:
    """How a record was searched, where it was not as `search`. (Of labels nothing is stored: there is no search.)"""
    stored = record.get("search") or {}
    return [_shown(f"{key}={stored[key]}") for key, value in write_settings(search).items()
            if key in stored and stored[key] != value and (key == "kind" or key not in NO_MATTER)]


def _base(bundle: Bundle, pairs: Pairs) -> str:
    """A split of the model's own corpus has its name to itself."""
    if "corpus" not in pairs.origin:
        return f"{pairs.name}-file" if pairs.name in ("train", "valid", "test") else pairs.name
    own = bundle.info.get("corpus", {}).get("hash", pairs.origin["hash"]) == pairs.origin["hash"]
    return pairs.name if own else f"{pairs.name}-{Path(pairs.origin['corpus']).name}"


def _identity(settings: EvaluateSettings, shape: Shape, pairs: Pairs) -> str:
    chosen: list[Any] = [pairs.name, pairs.origin["hash"], settings.max_source_pieces]
    if settings.output is not None:  # which may hold the evaluations of several runs
        chosen.append(os.path.normpath(settings.runs[0]))
    if shape is Shape.N_TO_M:
        rerank = settings.rerank
        chosen += [sorted(map(os.path.normpath, as_list(runs)))
                   for runs in (settings.runs[1:], rerank.backward, rerank.forward)]
        chosen += [rerank.second_decoder, rerank.search, rerank.backward_weight, rerank.forward_weight,
                   settings.precision.value, settings.scoring.tokenize.value,
                   {key: value for key, value in write_settings(settings.search).items()
                    if key not in ("batch_pieces", "n_best")}]
    return hashlib.sha256(json.dumps(chosen, sort_keys=True).encode()).hexdigest()[:16]


def _is_another(stored: dict[str, Any], identity: str, pairs: Pairs) -> bool:
    if "identity" in stored:
        return bool(stored["identity"] != identity)
    origin = stored.get("origin") or {}  # all that an older version says
    return not origin or bool(origin != {key: pairs.origin.get(key) for key in origin})


def _described(stored: dict[str, Any]) -> str:
    words = [f"{key}={value}" for key, value in (stored.get("origin") or {}).items() if key != "hash"]
    models = {"run": stored.get("run"), **_further_models(stored)}
    words += [f"{key}={value}" for key, value in models.items() if value]
    return _shown(" ".join(words)) or "something else"


def _shown(text: str) -> str:
    """Of a file that may be a stranger's: what it says must not steer the terminal that it is shown on."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:300])


def _differing(given: Any, names: Sequence[str]) -> list[str]:
    """`name-value` of those fields of a dataclass that are not as it has them by itself."""
    usual = {field.name: field.default for field in dataclasses.fields(given)}
    values = [(name, getattr(given, name)) for name in names]
    return [f"{name}-{value:g}" if isinstance(value, float) else f"{name}-{getattr(value, 'value', value)}".lower()
            for name, value in values if value != usual[name]]


def _record(path: Path) -> dict[str, Any] | None:
    """None where there is no such file; empty for one that is damaged or not ours."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError):
        return {}
    parts = {"origin": dict, "search": dict, "comparison": dict, "rerank": dict, "runs": list}
    whole = isinstance(record, dict) and all(isinstance(record.get(part) or kind(), kind)
                                             for part, kind in parts.items())
    return record if whole else {}


def _table(rows: Sequence[Sequence[str]]) -> bytes:
    return "".join("\t".join(cell.replace("\t", " ") for cell in row) + "\n" for row in rows).encode()
