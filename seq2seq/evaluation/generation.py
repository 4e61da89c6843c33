"""An evaluation of shape one_to_n: what real texts cost the model, for every input, and texts that it makes itself.

    <name>.json   perplexity per target piece (EOS counted), of all and of each input; samples
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from seq2seq.evaluation.files import Files, Pairs, write_record
from seq2seq.evaluation.translations import ReferenceLoss, reference_loss
from seq2seq.inference.translator import Translator
from seq2seq.settings.evaluate import EvaluateSettings
from seq2seq.settings.search import SearchKind, SearchSettings

SAMPLES = 5


@dataclasses.dataclass(frozen=True)
class InputScore:
    """The texts of one input."""

    input: str
    texts: int
    perplexity: float
    samples: list[str]  # of the model, drawn from its distribution


@dataclasses.dataclass(frozen=True, kw_only=True)
class GenerationEvaluation:
    """What <name>.json holds."""

    run: str
    name: str
    origin: dict[str, str]
    languages: tuple[str, str]
    texts: int
    pieces: int        # of the texts, EOS counted
    perplexity: float  # per piece
    inputs: list[InputScore]


def evaluate_generation(translator: Translator, pairs: Pairs, settings: EvaluateSettings,
                        name: str) -> GenerationEvaluation:
    """`name`: of the file. Raises UserError for an input that the model does not know."""
    samples = Translator(translator.bundles, SearchSettings(kind=SearchKind.SAMPLE), device=translator.device)
    losses, inputs = [], []
    for part in _by_input(pairs):
        drawn = samples.translate(part.sources[:1] * SAMPLES)
        losses.append(reference_loss(translator.bundles[0], translator.device, part, settings))
        inputs.append(InputScore(part.sources[0], len(part.sources), losses[-1].perplexity, drawn))
    total = ReferenceLoss(sum(loss.nll for loss in losses), sum(loss.pieces for loss in losses))
    return GenerationEvaluation(
        run=settings.runs[0], name=name, origin=pairs.origin, languages=translator.languages,
        texts=len(pairs.sources), pieces=total.pieces, perplexity=total.perplexity, inputs=inputs)


def write_generation_evaluation(files: Files, evaluation: GenerationEvaluation, pairs: Pairs) -> None:
    """Writes the file whole. Raises UserError where the folder cannot be written."""
    write_record(files, pairs, dataclasses.asdict(evaluation), None)


def _by_input(pairs: Pairs) -> Iterator[Pairs]:
    """The pairs of each source, the most frequent first."""
    rows: dict[str, list[int]] = {}
    for row, source in enumerate(pairs.sources):
        rows.setdefault(source, []).append(row)
    for source, places in sorted(rows.items(), key=lambda item: (-len(item[1]), item[0])):
        yield dataclasses.replace(pairs, sources=[source] * len(places),
                                  references=[pairs.references[row] for row in places])
