"""The model card: what a person who finds a bundle wants to know (Mitchell et al. 2019)."""

from __future__ import annotations

from typing import Any

from seq2seq.settings.model import ContextKind
from seq2seq.settings.training import TrainSettings


def model_card(info: dict[str, Any], settings: TrainSettings) -> str:
    """Markdown from bundle.json and the settings."""
    source, target = info["languages"]
    model, attention = settings.model, settings.attention
    context = settings.context.kind.value
    if settings.context.kind is ContextKind.ATTENTION:
        context += f" ({attention.score.value}, fed to the {attention.feed.value.replace('_', ' ')})"
    rows = [
        ("languages", f"{source} to {target}"),
        ("cell", settings.cell.kind.value),
        ("context", context),
        ("layers", f"{model.encoder_layers} encoder{' (bidirectional)' if model.bidirectional else ''}, "
                   f"{model.decoder_layers} decoder"),
        ("embedding, hidden", f"{model.embedding}, {model.hidden}"),
        ("parameters", f"{info['parameters']:,}"),
        ("vocabulary", "{source} source, {target} target pieces".format_map(info["vocabulary"])),
        ("corpus", info.get("corpus", {}).get("name", "unknown")),
        ("training", f"{info.get('updates', 0):,} updates, {info.get('epochs', 0.0):.1f} epochs, "
                     f"{info.get('seconds', 0.0) / 60:.1f} minutes"),
    ]
    table = "\n".join(f"| {name} | {value} |" for name, value in rows)
    return f"""# {source}-{target} recurrent encoder-decoder

| | |
|---|---|
{table}

{_scores(info.get("validation"))}
## Use

Standard input, one sentence a line:

    python translate.py run=THIS_FOLDER < sentences.{source} > sentences.{target}

or in Python:

    from seq2seq import Translator
    Translator.load("THIS_FOLDER").translate(["..."])

## Limits

Trained on the corpus above alone: other domains, longer sentences and other spellings than its own
are translated worse, and what the corpus says about people is repeated. Not for decisions that matter
to someone without a person who reads both languages.
"""


def _scores(validation: dict[str, Any] | None) -> str:
    if not validation:
        return ""
    return f"""## Scores

On the validation split, greedy search: BLEU {validation['bleu']:.2f} (`{validation['signature']}`,
{validation['sentences']} sentences), perplexity {validation['perplexity']:.3f} per piece.
"""
