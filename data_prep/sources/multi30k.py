"""`data=multi30k_en_de`: image captions in English and German (Elliott et al. 2016)."""

from __future__ import annotations

from pathlib import Path

from data_prep.sources.base import Source
from data_prep.sources.files import FilesSource
from seq2seq.errors import CorpusError

LANGUAGES = ("en", "de")
ON_DISK = {"train": "train", "valid": "val", "test": "test_2016_flickr"}  # split -> file prefix
ON_HUB = "bentrevett/multi30k"
FILES = "train.en, train.de, val.en, val.de, test_2016_flickr.en and test_2016_flickr.de"


def multi30k_source(raw_dir: str | None) -> Source:
    """From the files in `raw_dir`; without one, from the hub. Raises CorpusError as those sources do."""
    if raw_dir is None:
        from data_prep.sources.hub import HubSource

        splits = {"train": "train", "valid": "validation", "test": "test"}
        return HubSource(path=ON_HUB, languages=LANGUAGES, splits=splits, instead=f"data.raw_dir=DIR with {FILES}")
    if not Path(raw_dir).is_dir():
        raise CorpusError(f"data.raw_dir={raw_dir} is no folder. Give the one that holds {FILES}")
    return FilesSource(LANGUAGES, {split: str(Path(raw_dir) / prefix) for split, prefix in ON_DISK.items()})
