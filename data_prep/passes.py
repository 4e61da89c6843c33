"""The two passes over the corpus, as jobs of one shard each. Neither holds more than a batch at a time.

clean   raw shard -> cleaned text in an Arrow file, keys of the sentences, counts and examples
encode  cleaned text, without duplicates -> text and piece ids in an Arrow file of the packed corpus
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import xxhash

from data_prep import keys, overlap
from data_prep.cleaning import EXAMPLES, Cleaning, Tally
from data_prep.sources.base import Batch, Shard
from data_prep.workers import advance
from seq2seq.settings.labels import Labels
from seq2seq.settings.prepare import CleaningSettings, DuplicateKey, OverlapSettings
from seq2seq.tokenization.label_pieces import encode_source, encode_target
from seq2seq.tokenization.tokenizer import UNK, Tokenizer

TEXT = pa.schema([("source", pa.string()), ("target", pa.string())])


@dataclasses.dataclass(frozen=True)
class CleanJob:
    """A shard of the training split: filters and overlap."""

    shard: Shard
    languages: tuple[str, str]
    text: Path                         # Arrow file to write
    cleaning: CleaningSettings
    held_out: dict[str, overlap.Keys]  # split -> its keys, each column sorted
    overlap: OverlapSettings
    labels: Labels = Labels.NONE
    usual_ratio: float = 1.0           # filters.ratio


@dataclasses.dataclass
class Cleaned:
    raw: int                          # pairs read
    keys: np.ndarray                  # (pairs written,) uint64: what duplicates have in common
    report: dict[str, Tally]
    found: dict[str, overlap.Found]


def clean(job: CleanJob) -> Cleaned:
    cleaning = Cleaning(job.cleaning, job.languages, job.labels, job.usual_ratio)
    meeting = overlap.Meeting(job.held_out, job.overlap)
    raw, written = 0, [np.zeros(0, dtype=np.uint64)]
    with pa.OSFile(str(job.text), "wb") as sink, pa.ipc.new_stream(sink, TEXT) as writer:
        for batch in job.shard():
            kept = meeting(cleaning(batch))
            writer.write_batch(_record(kept))
            written.append(_duplicate_keys(kept, job.cleaning.duplicates.by))
            raw += len(batch[0])
            advance(len(batch[0]))
    return Cleaned(raw, np.concatenate(written), cleaning.report | {"overlap": meeting.tally}, meeting.found)


@dataclasses.dataclass(frozen=True)
class HoldOutJob:
    """A shard of validation or test: its lines stay as they are, the filters only report."""

    shard: Shard
    languages: tuple[str, str]
    text: Path
    cleaning: CleaningSettings
    labels: Labels = Labels.NONE
    usual_ratio: float = 1.0


@dataclasses.dataclass
class HeldOut:
    pairs: int
    keys: overlap.Keys
    report: dict[str, Tally]


def hold_out(job: HoldOutJob) -> HeldOut:
    cleaning = Cleaning(job.cleaning, job.languages, job.labels, job.usual_ratio)
    pairs, found = 0, []
    with pa.OSFile(str(job.text), "wb") as sink, pa.ipc.new_stream(sink, TEXT) as writer:
        for batch in job.shard():
            cleaning(batch)
            found.append(overlap.keys_of(batch))
            writer.write_batch(_record(batch))
            pairs += len(batch[0])
            advance(len(batch[0]))
    return HeldOut(pairs, overlap.join(found), cleaning.report)


@dataclasses.dataclass(frozen=True)
class EncodeJob:
    text: Path
    keep: np.ndarray                 # (pairs of the text file,) bool
    tokenizers: tuple[bytes, bytes]  # SentencePiece models of the source and the target side
    packed: Path                     # Arrow file to write
    schema: pa.Schema                # source, target, source_ids, target_ids
    labels: Labels = Labels.NONE


@dataclasses.dataclass
class Encoded:
    pairs: int
    pieces: tuple[int, int]   # of the source and the target sides, without BOS and EOS
    unknown: tuple[int, int]  # UNK among them
    hash: str                 # of what the columns hold


def encode(job: EncodeJob) -> Encoded:
    source, target = (Tokenizer(model) for model in job.tokenizers)
    digest, pairs = xxhash.xxh3_128(), 0
    pieces, unknown = [0, 0], [0, 0]
    with pa.OSFile(str(job.packed), "wb") as sink, pa.ipc.new_stream(sink, job.schema) as writer:
        for batch in read_text(job.text, job.keep):
            columns: list[pa.Array] = [pa.array(side, pa.string()) for side in batch]
            for side, (tokenizer, encoded) in enumerate(((source, encode_source), (target, encode_target))):
                ids = _ids(encoded(tokenizer, batch[side], job.labels.shape))
                columns.append(ids)
                pieces[side] += len(ids.values)
                unknown[side] += int((ids.values.to_numpy() == UNK).sum())
            for buffer in itertools.chain.from_iterable(column.buffers() for column in columns):
                digest.update(buffer or b"")
            writer.write_batch(pa.record_batch(columns, schema=job.schema))
            pairs += len(batch[0])
            advance(len(batch[0]))
    return Encoded(pairs, (pieces[0], pieces[1]), (unknown[0], unknown[1]), digest.hexdigest())


def read_text(path: Path, keep: np.ndarray) -> Iterator[Batch]:
    """The pairs of a cleaned text file where `keep` (pairs,) is True, batch by batch."""
    first = 0
    with pa.memory_map(str(path)) as file:
        for record in pa.ipc.open_stream(file):
            mask = keep[first : first + len(record)]
            first += len(record)
            if mask.any():
                kept = record if mask.all() else record.filter(pa.array(mask))
                yield kept.column(0).to_pylist(), kept.column(1).to_pylist()


def first_of_each(shards: list[np.ndarray]) -> list[np.ndarray]:
    """For every shard of keys (pairs,) a mask (pairs,): True at the first pair with its key in all shards."""
    everything = np.concatenate(shards)
    keep = np.zeros(len(everything), dtype=bool)
    keep[np.unique(everything, return_index=True)[1]] = True
    return np.split(keep, np.cumsum([len(shard) for shard in shards])[:-1])


def tally_duplicates(files: list[Path], keep: list[np.ndarray]) -> Tally:
    """Counts what `first_of_each` leaves out, with the first examples."""
    tally = Tally()
    for file, mask in zip(files, keep, strict=True):
        tally.checked += len(mask)
        tally.dropped += int((~mask).sum())
        if len(tally.examples) < EXAMPLES and not mask.all():
            for batch in read_text(file, ~mask):
                for source, target in zip(*batch, strict=True):
                    tally.example(source, target)
    return tally


def _duplicate_keys(batch: Batch, by: DuplicateKey) -> np.ndarray:
    match by:
        case DuplicateKey.PAIR:
            return keys.pair(keys.exact(batch[0]), keys.exact(batch[1]))
        case DuplicateKey.SOURCE:
            return keys.exact(batch[0])
        case DuplicateKey.TARGET:
            return keys.exact(batch[1])


def _record(batch: Batch) -> pa.RecordBatch:
    return pa.record_batch([pa.array(side, pa.string()) for side in batch], schema=TEXT)


def _ids(rows: list[list[int]]) -> pa.ListArray:
    lengths = np.fromiter(map(len, rows), dtype=np.int32, count=len(rows))
    offsets = np.concatenate([np.zeros(1, dtype=np.int32), np.cumsum(lengths, dtype=np.int32)])
    values = np.fromiter(itertools.chain.from_iterable(rows), dtype=np.int32, count=int(offsets[-1]))
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values))
