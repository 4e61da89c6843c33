"""The folder of one run or of several, as a setting names them: run=A, run=[A,B], null."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

Runs = str | Path | Sequence[str | Path] | None


def as_list(runs: Runs) -> list[str]:
    """The folders as a list, empty for null."""
    return [str(folder) for folder in ([runs] if isinstance(runs, (str, Path)) else runs or ())]
