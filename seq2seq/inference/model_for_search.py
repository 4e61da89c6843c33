"""The model of a bundle, in the form that search asks for: precision, shortlist, CUDA graphs."""

from __future__ import annotations

from typing import Any

import torch

from seq2seq.bundle.bundle import Bundle
from seq2seq.cuda_graphs import cuda_recorder
from seq2seq.errors import SettingError
from seq2seq.inference.graphed_search import GraphedSearch
from seq2seq.models.encoder_decoder import EncoderDecoder
from seq2seq.models.fast.search_model import ForSearch
from seq2seq.settings.device import Precision


def model_for_search(bundle: Bundle, precision: Precision, best: int, device: torch.device) -> Any:
    """The model as it is or made faster; `best`: of search.shortlist. Raises SettingError for what it has not."""
    model, shortlist = bundle.model, bundle.shortlist
    if precision is Precision.INT8 and device.type != "cpu":
        raise SettingError(f"precision={precision.value} is for search on a CPU, and this is {device.type}. Choose "
                           "precision=fp32 or bf16, or device=cpu.")
    if best and shortlist is None:
        raise SettingError(f"search.shortlist={best}: {bundle.folder} has no shortlist, for its corpus had none. "
                           "Prepare the corpus anew and train on it, or choose search.shortlist=0.")
    if shortlist is not None and best > shortlist.translations.shape[1]:
        raise SettingError(f"search.shortlist={best} is more than the {shortlist.translations.shape[1]} translations "
                           f"of a piece that {bundle.folder} knows. Choose fewer, or prepare the corpus with "
                           f"shortlist={best}.")
    assert isinstance(model, EncoderDecoder)
    return ForSearch(model, int8=precision is Precision.INT8, bf16=precision is Precision.BF16,
                     shortlist=shortlist if best else None, best=best)


def graphed_model(model: Any, best: int, device: torch.device) -> GraphedSearch:
    """Its steps as CUDA graphs. Raises SettingError for what has no fixed shape."""
    if best:
        raise SettingError(f"graphs=true cannot go with search.shortlist={best}: every batch has another number of "
                           "candidates. Choose graphs=false or search.shortlist=0.")
    return GraphedSearch(model, cuda_recorder(device, "graphs"))  # its own: an ensemble reads all at the same time
