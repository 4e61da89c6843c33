"""From the data settings to a source: one case for each kind."""

from __future__ import annotations

from data_prep.sources.base import Source
from seq2seq.errors import SettingError
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
            return _files(data)
        case HubData():
            from data_prep.sources.hub import HubSource

            splits = {"train": data.train, "valid": data.valid, "test": data.test}
            return HubSource(
                path=data.path, config=data.config, revision=data.revision, streaming=data.streaming,
                languages=(data.source, data.target), columns=_columns(data),
                splits={ours: theirs for ours, theirs in splits.items() if theirs is not None},
            )


def cut_sizes(data: DataSettings, source: Source) -> dict[str, int]:
    """The splits that `source` lacks, with the pairs to cut from train for each."""
    if not isinstance(data, FilesData | HubData):
        return {}
    sizes = {"valid": data.valid_size, "test": data.test_size}
    return {split: size for split, size in sizes.items() if split not in source.splits()}


def _files(data: FilesData) -> Source:
    from data_prep.sources.files import FilesSource
    from data_prep.sources.tables import TableSource, is_table

    names = {"train": data.train, "valid": data.valid, "test": data.test}
    paths = {split: path for split, path in names.items() if path is not None}
    tables = [path for path in paths.values() if is_table(path)]
    if not tables:
        return FilesSource((data.source, data.target), paths)
    if len(tables) < len(paths):
        raise SettingError(
            "data.train, data.valid and data.test are not of one kind: give table files, or prefixes of text files."
        )
    return TableSource((data.source, data.target), _columns(data), paths)


def _columns(data: FilesData | HubData) -> tuple[str, str]:
    return data.source_column or data.source, data.target_column or data.target
