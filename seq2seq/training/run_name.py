"""The name of a run that was given none: runs/<corpus>-<cell>-<context>, with the shape before a context that
is not of a translator, no context where there is none, and in a sweep what differs between its runs (sweep.py).
"""

from __future__ import annotations

from pathlib import PurePath

from seq2seq.settings.training import TrainSettings


def run_name(settings: TrainSettings, swept: str = "") -> str:
    """`swept`: the settings in which the run differs from others, as sweep.swept_name gives them."""
    shape, context = settings.shape.value, settings.context.kind.value
    parts = [PurePath(settings.corpus).name, settings.cell.kind.value, "" if shape == "n_to_m" else shape,
             "" if context == "none" else context, swept]
    return "runs/" + "-".join(filter(None, parts))
