"""A packed corpus small enough for tests: the target is the source's words in reverse order."""

from __future__ import annotations

import hashlib
import io
import json
import random
from pathlib import Path

import sentencepiece

WORDS = ["ba", "do", "fi", "gu", "ke", "lo", "mi", "nu", "pa", "re", "so", "tu"]


def make_corpus(folder: Path, train: int = 200, valid: int = 20, seed: int = 1,
                vocabulary: int = 48) -> Path:
    """Writes `train`, `valid` and `test` splits of 2 to 8 words; returns the folder."""
    import datasets

    datasets.disable_progress_bars()
    draw = random.Random(seed)
    sentences = [" ".join(draw.choices(WORDS, k=draw.randint(2, 8))) for _ in range(train + 2 * valid)]
    model = _tokenizer(vocabulary)
    pieces = sentencepiece.SentencePieceProcessor(model_proto=model)
    folder.mkdir(parents=True)
    (folder / "tokenizer.model").write_bytes(model)
    bounds = {"train": (0, train), "valid": (train, train + valid),
              "test": (train + valid, train + 2 * valid)}
    for split, (first, last) in bounds.items():
        source = sentences[first:last]
        target = [" ".join(reversed(sentence.split())) for sentence in source]
        columns = {"source": source, "target": target, "source_ids": pieces.encode(source),
                   "target_ids": pieces.encode(target)}
        features = datasets.Features({
            "source": datasets.Value("string"), "target": datasets.Value("string"),
            "source_ids": datasets.Sequence(datasets.Value("int32")),
            "target_ids": datasets.Sequence(datasets.Value("int32"))})
        datasets.Dataset.from_dict(columns, features=features).save_to_disk(str(folder / split))
    digest = hashlib.sha256("\n".join(sentences).encode() + model).hexdigest()
    manifest = {"format_version": 1, "languages": ["en", "de"], "hash": digest}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def _tokenizer(vocabulary: int) -> bytes:
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(WORDS * 20), model_writer=model, model_type="bpe", vocab_size=vocabulary,
        pad_id=0, unk_id=1, bos_id=2, eos_id=3, hard_vocab_limit=False, minloglevel=2, num_threads=1)
    return model.getvalue()
