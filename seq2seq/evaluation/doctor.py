"""Looks at a trained model with someone's own sentences: is it whole, and does a sentence alone decide?

    log p(y_t | y_<t, x) and the translation of x must be the same (beyond rounding) alone, in a batch, in
    another order, in other batches, beside more padding, and step by step.

A translation may change by rounding where two are equally good: one that differs is judged by its score.
Of a tagger or classifier log p of every label of x is compared, in the same ways but for the last.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from seq2seq.bundle.bundle import Bundle
from seq2seq.corpus.batch import Batch, make_batch, pad_source
from seq2seq.errors import UserError
from seq2seq.inference.predictor import Predictor
from seq2seq.inference.translator import Translator
from seq2seq.models.build import Network
from seq2seq.models.encoder_decoder import EncoderDecoder
from seq2seq.models.labeller import Labeller
from seq2seq.search.decode import translate_ids
from seq2seq.search.protocol import Hypothesis
from seq2seq.settings.search import SearchSettings
from seq2seq.tokenization.label_pieces import encode_source
from seq2seq.tokenization.tokenizer import PAD, UNK
from seq2seq.tokenization.words import is_blank

BATCH_PIECES = 1000  # padded pieces whose probabilities are worked out at once
EXTRA_PADDING = 7    # pieces
SENTENCES = [
    "A man is riding a bicycle.", "Yes.", "",
    "Two young children, a boy and a girl, are playing in front of the house.",
    "In 1998 the price was 3,450.75 dollars (about 12 % more than before).", "WHY ARE YOU SHOUTING?",
    "The woman who had been waiting since the morning, although nobody had asked her to, finally left at half "
    "past four without a word and went home by the same road that she had come by.",
    "\N{GRINNING FACE} https://example.org/a?b=c&d=e", "na\u00efve caf\u00e9", " ", "the the the the the the the the",
    "Je ne sais pas.", "a", "Good morning, ladies and gentlemen!",
    "\u041c\u043e\u0441\u043a\u0432\u0430", "\u4f60\u597d\u3002",
]


class Check(NamedTuple):
    """One line of the report."""

    name: str
    passed: bool | None  # None: told, not judged
    finding: str


def examine(translator: Translator | Predictor, lines: Sequence[str], tolerance: float) -> list[Check]:
    """Every check of the first bundle. Raises UserError when no line has a piece to translate."""
    bundle = translator.bundles[0]
    checks = [_readable(bundle), _finite(bundle.model)]
    if not checks[-1].passed:
        return checks
    every = encode_source(bundle.source_tokenizer, lines, bundle.settings.shape)
    limit = translator.max_source_pieces
    ids = {number: row[:limit] for number, (row, line) in enumerate(zip(every, lines, strict=True), 1)
           if row and not is_blank(line)}
    if not ids:
        raise UserError("there is no sentence to look at: every line is empty. Give some on standard input, or "
                        "input=FILE.")
    checks.append(_lines(translator, lines))
    checks += (_labels(translator, ids, tolerance) if isinstance(translator, Predictor)
               else _translations(translator, ids, tolerance))
    pieces = [piece for row in every for piece in row]
    unknown, cut = pieces.count(UNK), sum(len(row) > limit for row in every)
    checks.append(Check("unknown pieces", None, f"{unknown} of {len(pieces)} ({unknown / len(pieces):.1%})"))
    checks.append(Check("lines that are cut", None, f"{cut} of {len(lines)} (more than {limit} pieces)"))
    return checks


def _readable(bundle: Bundle) -> Check:
    # load_bundle has refused everything else.
    return Check("bundle is whole", True, f"checksums fit; {' to '.join(bundle.languages)}, "
                                          f"{sum(p.numel() for p in bundle.model.parameters()):,} parameters")


def _finite(model: Network) -> Check:
    bad = [name for name, weight in model.named_parameters() if not bool(weight.isfinite().all())]
    return Check("weights are finite", not bad, f"NaN or infinity in {', '.join(bad[:3])}" if bad else "all of them")


def _lines(translator: Translator | Predictor, lines: Sequence[str]) -> Check:
    found = translator.predict(lines) if isinstance(translator, Predictor) else translator.translate(lines)
    broken = sum("\n" in text for text in found)
    kept = len(found) == len(lines) and not broken
    return Check("one line for each line", kept, f"{len(lines)} in, {len(found)} out")


def _translations(translator: Translator, ids: dict[int, list[int]], tolerance: float) -> Iterator[Check]:
    model, search, device = translator.bundles[0].model, translator.search, translator.device
    assert isinstance(model, EncoderDecoder)

    def translated(numbers: Sequence[int], settings: SearchSettings) -> dict[int, Hypothesis]:
        found = translate_ids(model, [ids[number] for number in numbers], settings, device, numbers=numbers)
        return {number: hypotheses[0] for number, hypotheses in zip(numbers, found, strict=True)}

    alone = {number: translated([number], search)[number] for number in ids}
    pairs = [(ids[number], alone[number].pieces) for number in ids]
    with torch.inference_mode():
        by_itself = [_teacher_forced(model, [pair], device)[0] for pair in pairs]
        together = [row for group in _groups(pairs) for row in _teacher_forced(model, group, device)]
        padded = [row for group in _groups(pairs) for row in _teacher_forced(model, group, device, EXTRA_PADDING)]
        steps = [row for group in _groups(pairs) for row in _stepwise(model, group, device)]
    small = dataclasses.replace(search, batch_pieces=max(1, search.batch_pieces // 10))
    numbers = list(ids)
    yield _compare("alone and in a batch", alone, translated(numbers, search), tolerance, by_itself, together)
    yield _compare("in reversed order", alone, translated(numbers[::-1], search), tolerance)
    yield _compare("in small batches", alone, translated(numbers, small), tolerance)
    yield _near("beside more padding", _difference(together, padded), tolerance)
    yield _near("step by step", _difference(together, steps), tolerance)


def _labels(predictor: Predictor, ids: dict[int, list[int]], tolerance: float) -> Iterator[Check]:
    model, device, rows = predictor.models[0], predictor.device, list(ids.values())
    pairs: list[Pair] = [(row, []) for row in rows]
    with torch.inference_mode():
        alone = [_label_probabilities(model, [pair], device)[0] for pair in pairs]
        together = [row for group in _groups(pairs) for row in _label_probabilities(model, group, device)]
        turned = [row for group in _groups(pairs[::-1]) for row in _label_probabilities(model, group, device)]
        padded = [row for group in _groups(pairs) for row in _label_probabilities(model, group, device, EXTRA_PADDING)]
    differ = sum(not torch.equal(one.argmax(-1), other.argmax(-1)) for one, other in zip(alone, together, strict=True))
    worst = _difference(alone, together)
    yield Check("alone and in a batch", worst <= tolerance,
                f"labels of {differ} of {len(ids)} lines differ; log-probabilities by {worst:.1g} at most")
    yield _near("in reversed order", _difference(alone, turned[::-1]), tolerance)
    yield _near("beside more padding", _difference(together, padded), tolerance)


def _label_probabilities(model: Labeller, pairs: Sequence[Pair], device: torch.device,
                         padding: int = 0) -> list[Tensor]:
    """For each line log p of every piece as its labels: (T, V)."""
    source, lengths = pad_source([source for source, _ in pairs])
    logits, counts = model.logits(F.pad(source, (0, padding), value=PAD).to(device), lengths.to(device))
    return [row[:count].cpu() for row, count in zip(logits.log_softmax(-1), counts.tolist(), strict=True)]


def _compare(name: str, alone: dict[int, Hypothesis], other: dict[int, Hypothesis], tolerance: float,
             *probabilities: list[Tensor]) -> Check:
    """Passes when every score is the same: translations that differ then are equally good."""
    differ = sum(alone[number].pieces != other[number].pieces for number in alone)
    worst = max(abs(alone[number].score - other[number].score) for number in alone)
    finding = f"{differ} of {len(alone)} translations differ; scores by {worst:.1g} at most"
    if probabilities:
        difference = _difference(*probabilities)
        worst, finding = max(worst, difference), f"{finding}; log-probabilities by {difference:.1g}"
    return Check(name, worst <= tolerance, finding)


def _near(name: str, difference: float, tolerance: float) -> Check:
    return Check(name, difference <= tolerance, f"log-probabilities differ by {difference:.1g} at most")


def _difference(one: list[Tensor], other: list[Tensor]) -> float:
    # As one tensor: its largest value is NaN when one is.
    return float(torch.cat([(a - b).abs() for a, b in zip(one, other, strict=True)]).max())


Pair = tuple[list[int], list[int]]  # piece ids of source and target


def _groups(pairs: Sequence[Pair]) -> Iterator[list[Pair]]:
    """In the order given, at most BATCH_PIECES padded pieces together (a longer pair goes alone)."""
    group: list[Pair] = []
    widest = 0
    for pair in pairs:
        widest = max(widest, *(len(side) + 1 for side in pair))
        if group and widest * (len(group) + 1) > BATCH_PIECES:
            yield group
            group, widest = [], max(len(side) + 1 for side in pair)
        group.append(pair)
    yield group


def _batch(pairs: Sequence[Pair], device: torch.device, padding: int = 0) -> Batch:
    batch = make_batch([source for source, _ in pairs], [target for _, target in pairs], range(len(pairs)))
    wider = {name: F.pad(getattr(batch, name), (0, padding), value=PAD)
             for name in ("source", "target_in", "target_out")}
    return batch._replace(**wider).to(device)


def _teacher_forced(model: EncoderDecoder, pairs: Sequence[Pair], device: torch.device,
                    padding: int = 0) -> list[Tensor]:
    """For each pair log p(y_t | y_<t, x) of every target piece and EOS: (T,)."""
    batch = _batch(pairs, device, padding)
    return _of_targets(model.logits(batch), batch)


def _stepwise(model: EncoderDecoder, pairs: Sequence[Pair], device: torch.device) -> list[Tensor]:
    batch = _batch(pairs, device)
    memory = model.encode(batch.source, batch.source_lengths)
    state, logits = model.start(memory), []
    for previous in model.as_written(batch).target_in.split(1, dim=1):
        step, state, _ = model.step(previous, state, memory)
        logits.append(step)
    return _of_targets(model.as_read(torch.cat(logits, dim=1), batch.target_lengths), batch)


def _of_targets(logits: Tensor, batch: Batch) -> list[Tensor]:
    log_p = logits.log_softmax(-1).gather(2, batch.target_out[..., None])[..., 0]  # (B, T)
    return [row[:length].cpu() for row, length in zip(log_p, batch.target_lengths.tolist(), strict=True)]
