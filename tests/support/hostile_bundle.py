"""A small bundle with a tokenizer as data_prep makes them, and the fuzz of it in a process of its own."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
from tiny_corpus import WORDS

from data_prep.learn_tokenizer import learn
from seq2seq.bundle.bundle import save_bundle
from seq2seq.models.build import build_model
from seq2seq.settings.prepare import TokenizerKind, TokenizerSettings
from seq2seq.settings.reading import read_settings
from seq2seq.settings.training import TrainSettings
from seq2seq.tokenization.tokenizer import Tokenizer


@functools.cache
def tokenizer(kind: str = "unigram", byte_fallback: bool = False) -> Tokenizer:
    """Learnt from a few words and the marks of the special pieces, as if they were in the training text."""
    words = [*WORDS, "</s>", "<s>", "<pad>", "<unk>", "<0x0A>", "été", "ba.", "do,"]
    size = 60 + 256 * byte_fallback
    settings = TokenizerSettings(kind=TokenizerKind(kind), vocabulary=size, byte_fallback=byte_fallback)
    return Tokenizer(learn(lambda: iter([" ".join(words), *words] * 30), settings))


def make_hostile_bundle(folder: Path, pieces: Tokenizer | None = None, **groups: Any) -> Path:
    """Writes folder/bundle; `groups` are groups of settings. Random weights, the same every time."""
    pieces = pieces or tokenizer()
    settings = read_settings(TrainSettings, {"model": {"embedding": 8, "hidden": 8}, **groups})
    torch.manual_seed(0)
    model = build_model(settings, len(pieces), len(pieces))
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(3)  # clear preferences
    save_bundle(folder / "bundle", model, (pieces, pieces), settings, {"languages": ["en", "de"]})
    return folder / "bundle"


def mutations(bundle: Path, count: int, seed: int) -> dict[str, Any]:
    """What `count` mutations of the bundle did. Raises AssertionError when the process died of one."""
    program = Path(__file__).with_name("bundle_mutations.py")
    done = subprocess.run([sys.executable, str(program), str(bundle), str(count), str(seed)], capture_output=True,
                          text=True, check=False)
    assert done.stdout, f"exit code {done.returncode}: {done.stderr[-3000:]}"
    return json.loads(done.stdout)
