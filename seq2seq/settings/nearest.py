"""The setting that a person may have meant, found by name in all groups of all commands."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

# What other toolkits call it.
OTHER_NAMES = {
    "epochs": "training.max_epochs", "max_steps": "training.max_updates", "steps": "training.max_updates",
    "train_steps": "training.max_updates", "updates": "training.max_updates", "lr": "optimizer.learning_rate",
    "batch_size": "training.batch_pieces", "batch_tokens": "training.batch_pieces", "layers": "model.encoder_layers",
    "num_layers": "model.encoder_layers", "hidden_size": "model.hidden", "emb_size": "model.embedding",
    "embedding_size": "model.embedding", "vocab_size": "tokenizer.vocabulary", "beam": "search.beam_size",
    "checkpoint": "run", "model_path": "run", "save_dir": "run", "gpu": "device", "lang": "data.source",
    "early_stopping": "training.patience", "optim": "optimizer", "rnn_type": "cell",
}


def nearest(word: str, choices: Iterable[str], where: str = "") -> str:
    """' Did you mean X?' of the choice that `word` resembles, whatever its case; '' where none does."""
    by_lower = {choice.lower(): choice for choice in reversed(list(choices))}
    close = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return f" Did you mean {where}{by_lower[close[0]]}?" if close else ""


def similar(key: str, dotted: Iterable[str]) -> list[str]:
    """The settings among those (dotted) that are called like `key`, or nearly so; at most three."""
    names, last = list(dotted), key.rpartition(".")[2].lower().replace("-", "_")
    found = difflib.get_close_matches(key, names, n=1, cutoff=0.85) if "." in key else []
    if not found:
        found = [name for name in names if name.rpartition(".")[2] == last]
    if not found and OTHER_NAMES.get(last) in names:
        found = [OTHER_NAMES[last]]
    if not found:
        close = difflib.get_close_matches(last, {name.rpartition(".")[2] for name in names}, n=1, cutoff=0.75)
        found = [name for name in names if name.rpartition(".")[2] in close]
    return found[:3]
