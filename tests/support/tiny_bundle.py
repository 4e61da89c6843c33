"""Model bundles small enough for tests. Their weights are random: they translate nonsense, always the same."""

from __future__ import annotations

from pathlib import Path

import torch

from seq2seq.bundle.bundle import save_bundle
from seq2seq.corpus.packed import PackedCorpus
from seq2seq.corpus.shortlist import Shortlist
from seq2seq.models.build import build_model
from seq2seq.models.encoder_decoder import EncoderDecoder
from seq2seq.settings.reading import read_settings
from seq2seq.settings.training import TrainSettings
from seq2seq.tokenization.tokenizer import EOS


def make_bundle(folder: Path, corpus: Path, context: str = "attention", seed: int = 0,
                languages: tuple[str, str] = ("en", "de"), shortlist: Shortlist | None = None,
                ends: float = 0.0, **model_settings: bool) -> Path:
    """Writes a bundle for the packed corpus; returns its folder. `ends`: how much it likes to end a sentence."""
    packed = PackedCorpus.open(corpus)
    settings = read_settings(TrainSettings, {
        "corpus": str(corpus), "context": {"kind": context}, "model": {"embedding": 16, "hidden": 32} | model_settings,
    })
    source, target = packed.tokenizers()
    torch.manual_seed(seed)
    model = build_model(settings, len(source), len(target))
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(3)  # clear preferences, so that rounding cannot change a translation
        if isinstance(model, EncoderDecoder):
            model.output_bias[EOS] += ends
    save_bundle(folder, model, (source, target), settings, {
        "languages": list(languages), "corpus": {"name": corpus.name, "folder": str(corpus), "hash": packed.hash},
    }, None if shortlist is None else shortlist.written())
    return folder
