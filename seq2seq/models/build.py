"""From settings to a network: the one place where settings become modules."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from torch import nn

from seq2seq.errors import SettingError
from seq2seq.models.attention import Attention
from seq2seq.models.context import FixedContext
from seq2seq.models.decoder import Decoder
from seq2seq.models.deep_cell import make_cell
from seq2seq.models.encoder import Encoder
from seq2seq.models.encoder_decoder import EncoderDecoder
from seq2seq.models.labeller import Labeller
from seq2seq.models.single_input import OneInput
from seq2seq.models.word_encoder import Words
from seq2seq.settings.model import LABELS, ContextKind, FeedContext, NetworkSettings, Shape, Tie

Network = EncoderDecoder | Labeller


def build_model(settings: NetworkSettings, source_vocabulary: int, target_vocabulary: int,
                word_starts: Sequence[bool] | None = None) -> Network:
    """A freshly initialised network. Seed torch before, to get the same one again.

    `word_starts` (source_vocabulary,): the pieces that begin a word, which shape=n_to_n must know.
    """
    if settings.shape in LABELS:
        return _labeller(settings, source_vocabulary, target_vocabulary, word_starts)
    return _encoder_decoder(settings, source_vocabulary, target_vocabulary)


def _encoder_decoder(settings: NetworkSettings, source_vocabulary: int, target_vocabulary: int) -> EncoderDecoder:
    model = settings.model
    source, target = _embeddings(model.tie, model.embedding, source_vocabulary, target_vocabulary)
    encoder = (OneInput(model.embedding, model.hidden) if settings.shape is Shape.ONE_TO_N
               else _encoder(settings, model.embedding, model.hidden, model.encoder_layers))
    return EncoderDecoder(
        encoder=encoder, decoder=_decoder(settings), context=_context(settings), source_embedding=source,
        target_embedding=target, tied_output=model.tie is not Tie.NONE, embedding_dropout=model.dropout.embedding,
        readout_dropout=model.dropout.readout, word_dropout=model.dropout.word,
        variational=model.dropout.variational, reverse_source=model.reverse_source,
        reverse_target=model.reverse_target, reverse_decoder=_decoder(settings) if model.reverse_decoder else None)


def _decoder(settings: NetworkSettings) -> Decoder:
    model, attention = settings.model, None
    if settings.context.kind is ContextKind.ATTENTION:
        attention = Attention(settings.attention.score, model.hidden, heads=settings.attention.heads)
    return Decoder(
        embedding=model.embedding, hidden=model.hidden, context=settings.context_size, layers=model.decoder_layers,
        readout=model.readout, attention=attention, attention_feed=settings.attention.feed,
        attention_query=settings.attention.query, attention_start=settings.attention.start,
        context_every_step=settings.feed.context is FeedContext.EVERY_STEP, output_fed=settings.feed.output,
        **_stack(settings))


def _labeller(settings: NetworkSettings, source_vocabulary: int, labels: int,
              word_starts: Sequence[bool] | None) -> Labeller:
    model, words, inputs = settings.model, None, settings.model.embedding
    if settings.shape is Shape.N_TO_N:
        assert word_starts is not None
        words = Words(reader=_encoder(settings, model.embedding, model.words.hidden, layers=1), word_starts=word_starts,
                      rows=model.words.rows, embedding=model.words.embedding, dropout=model.dropout.embedding,
                      word_dropout=model.dropout.word, variational=model.dropout.variational)
        inputs = model.words.hidden + model.words.embedding
    return Labeller(
        encoder=_encoder(settings, inputs, model.hidden, model.encoder_layers), words=words,
        context=_context(settings), source_embedding=_table(source_vocabulary, model.embedding), labels=labels,
        features=settings.context_size, embedding_dropout=model.dropout.embedding,
        readout_dropout=model.dropout.readout, word_dropout=model.dropout.word, variational=model.dropout.variational)


def _encoder(settings: NetworkSettings, inputs: int, hidden: int, layers: int) -> Encoder:
    return Encoder(inputs=inputs, hidden=hidden, layers=layers, bidirectional=settings.model.bidirectional,
                   **_stack(settings))


def _stack(settings: NetworkSettings) -> dict[str, Any]:
    """What all layers of encoder and decoder have in common."""
    model = settings.model
    return {"cell": partial(make_cell, settings.cell, model.dropout.recurrent), "residual": model.residual,
            "layer_norm": model.layer_norm, "dropout": model.dropout.layer, "variational": model.dropout.variational}


def _context(settings: NetworkSettings) -> FixedContext | None:
    if settings.context.kind in (ContextKind.ATTENTION, ContextKind.NONE):
        return None
    return FixedContext(settings.context.kind, settings.model.hidden, pooling=settings.context.pooling,
                        hops=settings.context.hops, width=settings.context.width)


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
