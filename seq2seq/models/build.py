"""From settings to a network: the one place where settings become modules."""

from __future__ import annotations

from typing import Any

from torch import nn

from seq2seq.errors import SettingError
from seq2seq.models.attention import Attention
from seq2seq.models.context import FixedContext
from seq2seq.models.decoder import Decoder
from seq2seq.models.encoder import Encoder
from seq2seq.models.encoder_decoder import EncoderDecoder
from seq2seq.settings.model import ContextKind, FeedContext, NetworkSettings, Tie


def build_model(settings: NetworkSettings, source_vocabulary: int, target_vocabulary: int) -> EncoderDecoder:
    """A freshly initialised network. Seed torch before, to get the same one again."""
    model, cell = settings.model, settings.cell
    source, target = _embeddings(model.tie, model.embedding, source_vocabulary, target_vocabulary)
    attends = settings.context.kind is ContextKind.ATTENTION
    stack: dict[str, Any] = {"kind": cell.kind, "nonlinearity": cell.nonlinearity, "hidden": model.hidden,
             "residual": model.residual, "layer_norm": model.layer_norm, "dropout": model.dropout.layer}
    encoder = Encoder(inputs=model.embedding, layers=model.encoder_layers, bidirectional=model.bidirectional, **stack)
    attention = None
    if attends:
        attention = Attention(settings.attention.score, model.hidden, heads=settings.attention.heads)
    decoder = Decoder(
        embedding=model.embedding, layers=model.decoder_layers, readout=model.readout, attention=attention,
        attention_feed=settings.attention.feed, attention_query=settings.attention.query,
        context_every_step=settings.feed.context is FeedContext.EVERY_STEP, output_fed=settings.feed.output, **stack,
    )
    context = None if attends else FixedContext(
        settings.context.kind, model.hidden, pooling=settings.context.pooling)
    return EncoderDecoder(
        encoder=encoder, decoder=decoder, context=context, source_embedding=source, target_embedding=target,
        tied_output=model.tie is not Tie.NONE, embedding_dropout=model.dropout.embedding,
        readout_dropout=model.dropout.readout, word_dropout=model.dropout.word, reverse_source=model.reverse_source,
    )


def _embeddings(tie: Tie, size: int, source: int, target: int) -> tuple[nn.Embedding, nn.Embedding]:
    if tie is Tie.ALL and source != target:
        raise SettingError(
            f"model.tie=all needs one vocabulary for both sides; this corpus has {source} source and {target} target "
            "pieces. Choose model.tie=target, or prepare the corpus with a joint tokenizer."
        )
    table = _table(target, size)
    return (table if tie is Tie.ALL else _table(source, size)), table


def _table(vocabulary: int, size: int) -> nn.Embedding:
    table = nn.Embedding(vocabulary, size)
    nn.init.normal_(table.weight, std=size**-0.5)
    return table
