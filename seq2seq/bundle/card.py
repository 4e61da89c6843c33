"""The model card: what a person who finds a bundle wants to know (Mitchell et al. 2019)."""

from __future__ import annotations

from typing import Any

from seq2seq.settings.model import LABELS, ContextKind, Shape
from seq2seq.settings.training import TrainSettings

_WHAT = {Shape.N_TO_M: "recurrent encoder-decoder", Shape.N_TO_N: "recurrent tagger",
         Shape.N_TO_1: "recurrent classifier", Shape.ONE_TO_N: "recurrent generator"}
_TEXT_LIMITS = """Trained on the corpus above alone: other domains, longer sentences and other spellings than its own
are answered worse, and what the corpus says about people is repeated. Not for decisions that matter
to someone without a person who reads both sides."""
_LABEL_LIMITS = """Trained on the corpus above alone: other domains and other spellings than its own are labelled worse,
every line gets a label of the corpus whether one fits or not, and what the corpus says about people is
repeated. Not for decisions that matter to someone without a person who looks at them."""


def model_card(info: dict[str, Any], settings: TrainSettings) -> str:
    """Markdown from bundle.json and the settings."""
    source, target = info["languages"]
    labels = settings.shape in LABELS
    rows = [
        ("from, to", f"{source}, {target}"),
        ("shape", settings.shape.value),
        ("cell", settings.cell.kind.value),
        *([] if settings.context.kind is ContextKind.NONE else [("context", _context(settings))]),
        ("layers", _layers(settings)),
        ("embedding, hidden", f"{settings.model.embedding}, {settings.model.hidden}"),
        ("parameters", f"{info['parameters']:,}"),
        ("vocabulary", "{source} source, {target} target pieces".format_map(info["vocabulary"])),
        ("corpus", info.get("corpus", {}).get("name", "unknown")),
        ("training", f"{info.get('updates', 0):,} updates, {info.get('epochs', 0.0):.1f} epochs, "
                     f"{info.get('seconds', 0.0) / 60:.1f} minutes"),
    ]
    table = "\n".join(f"| {name} | {value} |" for name, value in rows)
    call = "Predictor" if labels else "Translator"
    return f"""# {source}-{target} {_WHAT[settings.shape]}

| | |
|---|---|
{table}

{_scores(info.get("validation"))}
## Use

Standard input, one line for every answer:

    python translate.py run=THIS_FOLDER < lines.{source} > lines.{target}

or in Python:

    from seq2seq import {call}
    {call}.load("THIS_FOLDER").{"predict" if labels else "translate"}(["..."])

## Limits

{_LABEL_LIMITS if labels else _TEXT_LIMITS}
"""


def _context(settings: TrainSettings) -> str:
    attention, context = settings.attention, settings.context
    match context.kind:
        case ContextKind.ATTENTION:
            return f"attention ({attention.score.value}, fed to the {attention.feed.value.replace('_', ' ')})"
        case ContextKind.POOLED:
            return f"pooled ({context.pooling.value})"
    return context.kind.value


def _layers(settings: TrainSettings) -> str:
    model = settings.model
    encoder = f"{model.encoder_layers} encoder{' (bidirectional)' if model.bidirectional else ''}"
    parts = [] if settings.shape is Shape.ONE_TO_N else [encoder]
    return ", ".join(parts if settings.shape in LABELS else [*parts, f"{model.decoder_layers} decoder"])


def _scores(validation: dict[str, Any] | None) -> str:
    if not validation:
        return ""
    scores = [f"perplexity {validation['perplexity']:.3f} per piece"]
    if "bleu" in validation:
        scores.insert(0, f"greedy search BLEU {validation['bleu']:.2f} (`{validation['signature']}`, "
                         f"{validation['sentences']} sentences)")
    if "chrf" in validation:
        scores.insert(1, f"chrF2 {validation['chrf']:.2f} (`{validation['chrf_signature']}`)")
    if "accuracy" in validation:
        scores.insert(0, f"accuracy {validation['accuracy']:.2f} % of {validation['labels']} labels")
    return f"""## Scores

On the validation split: {", ".join(scores)}.
"""
