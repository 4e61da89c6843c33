"""From the data settings to a source: one case for each kind."""

from __future__ import annotations

from data_prep.sources.base import Source
from seq2seq.settings.prepare import DataSettings, FilesData, GrammarData, HubData, Multi30kData


def build_source(data: DataSettings, seed: int) -> Source:
    """Raises UserError when the raw corpus is missing or damaged."""
    match data:
        case GrammarData():
            from data_prep.sources.grammar import GrammarSource

            return GrammarSource(train=data.train, valid=data.valid, test=data.test, seed=seed,
                                 max_words=data.max_words)
        case Multi30kData():
            from data_prep.sources.multi30k import multi30k_source

            return multi30k_source(data.raw_dir)
        case FilesData():
            from data_prep.sources.files import FilesSource

            prefixes = {"train": data.train, "valid": data.valid, "test": data.test}
            return FilesSource((data.source, data.target), {s: p for s, p in prefixes.items() if p is not None})
        case HubData():
            raise NotImplementedError
