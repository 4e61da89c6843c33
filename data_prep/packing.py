"""Arrow folders as `datasets` writes and loads them, with nothing in them that changes from run to run.

`save_to_disk` would copy every byte once more and stamp a random fingerprint: here the processes
write the Arrow files themselves, and the two small JSON files beside them are made from the content.
"""

from __future__ import annotations

import json
from pathlib import Path

import datasets
import pyarrow as pa

FEATURES = datasets.Features(
    source=datasets.Value("string"),
    target=datasets.Value("string"),
    source_ids=datasets.List(datasets.Value("int32")),
    target_ids=datasets.List(datasets.Value("int32")),
)


def schema() -> pa.Schema:
    """The Arrow schema of a split."""
    return FEATURES.arrow_schema


def file_name(number: int, count: int) -> str:
    """The name of Arrow file `number` (from 0) of `count`."""
    return f"data-{number:05d}-of-{count:05d}.arrow"


def describe(folder: Path, split: str, count: int, fingerprint: str) -> None:
    """Writes what makes `count` Arrow files in `folder` a data set that `datasets.load_from_disk` opens."""
    datasets.DatasetInfo(features=FEATURES).write_to_directory(str(folder))
    state: dict[str, object] = {
        "_data_files": [{"filename": file_name(number, count)} for number in range(count)],
        "_fingerprint": fingerprint,
        "_format_columns": None,
        "_format_kwargs": {},
        "_format_type": None,
        "_output_all_columns": False,
        "_split": split,
    }
    (folder / "state.json").write_text(json.dumps(state, indent=2, sort_keys=True) + "\n", encoding="utf-8")
