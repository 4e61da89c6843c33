"""Settings of the network: cell, context, attention, feed, sizes. The equations are in seq2seq/models."""

from __future__ import annotations

import dataclasses
import enum

from seq2seq.errors import SettingError
from seq2seq.settings.fields import check_ranges, group, option

# No network is larger. What a bundle claims to be is believed up to here, before its weights are looked at.
WIDEST, MOST_LAYERS = 1 << 16, 100


class Shape(enum.Enum):
    N_TO_M = "n_to_m"      # x_1..x_N -> c -> y_1..y_M       translation: encoder and decoder joined by c
    N_TO_N = "n_to_n"      # o_t = softmax(V h_t)            tagging: an answer for every word
    N_TO_1 = "n_to_1"      # o = softmax(V c)                classification: one answer for a line
    ONE_TO_N = "one_to_n"  # x -> c -> y_1..y_N              generation: x is one piece, the decoder does the rest


class CellKind(enum.Enum):
    RNN = "rnn"    # s_t = f(U x_t + W s_{t-1} + b)                     Elman 1990
    GRU = "gru"    # reset and update gates                             Cho et al. 2014
    LSTM = "lstm"  # input, forget, output gates and a memory           Hochreiter & Schmidhuber 1997


class Nonlinearity(enum.Enum):
    TANH = "tanh"
    RELU = "relu"


class ContextKind(enum.Enum):
    LAST = "last"            # c = h_N
    PROJECTED = "projected"  # c = g(h_N), g(h) = tanh(W_g h + b_g)
    POOLED = "pooled"        # c = g(h_1..h_N)
    ATTENTION = "attention"  # c_t = sum_j a_tj h_j
    NONE = "none"            # there is no c: shape=n_to_n answers from every h_t


class Pooling(enum.Enum):
    MEAN = "mean"            # (1/N) sum_j h_j
    MAX = "max"              # max_j h_j, for each component
    ATTENTIVE = "attentive"  # sum_j a_j h_j with a = softmax_j v . tanh(W h_j)


class ScoreKind(enum.Enum):
    ADDITIVE = "additive"  # v . tanh(W s + U h_j)      Bahdanau et al. 2015
    DOT = "dot"            # s . h_j                    Luong et al. 2015
    GENERAL = "general"    # s . W h_j                  Luong et al. 2015
    SCALED = "scaled"      # (W_q s) . (W_k h_j) / sqrt(d), with heads    Vaswani et al. 2017


class AttentionFeed(enum.Enum):
    READOUT = "readout"            # c_t enters the readout only         Luong et al. 2015 without input feeding
    UPPER_LAYERS = "upper_layers"  # the bottom layer queries, the layers above and the readout see c_t   GNMT
    INPUT = "input"                # c enters the recurrence of the bottom layer


class AttentionQuery(enum.Enum):
    PREVIOUS = "previous"  # s_{t-1} asks before the step, c_t enters it         Bahdanau et al. 2015
    CURRENT = "current"    # s_t asks after the step, c_{t-1} has entered it     Luong et al. 2015, input feeding


class AttentionStart(enum.Enum):
    LAST = "last"  # s_0 = tanh(W h_N + b)                   Cho et al. 2014
    MEAN = "mean"  # s_0 = tanh(W (1/N) sum_j h_j + b)       Sennrich et al. 2017 (Nematus)


class FeedContext(enum.Enum):
    INITIAL_STATE = "initial_state"  # s_0 = c
    EVERY_STEP = "every_step"        # s_t = f(s_{t-1}, ..., c)


class Tie(enum.Enum):
    NONE = "none"
    TARGET = "target"  # target embeddings = output matrix         Press & Wolf 2017
    ALL = "all"        # and the source embeddings: needs one vocabulary for both sides


class ReadoutKind(enum.Enum):
    LUONG = "luong"        # tanh(W [s_t; c_t])                               Luong et al. 2015, eq. 5
    BAHDANAU = "bahdanau"  # maxout over s_t, c_t and y_{t-1} (deep output)   Bahdanau et al. 2015, appendix A.2.2


@dataclasses.dataclass(kw_only=True)
class CellSettings:
    kind: CellKind = option(CellKind.GRU, "the recurrence")
    nonlinearity: Nonlinearity = option(Nonlinearity.TANH, "f of the plain RNN")
    layer_norm: bool = option(False, "normalise the gates inside the recurrence (Ba et al. 2016)")
    transitions: int = option(0,
        "further steps without an input at every t (Pascanu et al. 2014)", at_least=0, at_most=MOST_LAYERS)

    def __post_init__(self) -> None:
        check_ranges(self)
        if self.nonlinearity is Nonlinearity.RELU and self.kind is not CellKind.RNN:
            raise SettingError(f"nonlinearity=relu belongs to kind=rnn; kind={self.kind.value} has its own. Use tanh.")


@dataclasses.dataclass(kw_only=True)
class ContextSettings:
    kind: ContextKind = option(ContextKind.ATTENTION, "how c is made of h_1..h_N")
    pooling: Pooling = option(Pooling.MEAN, "of context=pooled")
    hops: int = option(1,
        "of pooling=attentive: number of weightings of h_1..h_N (Lin et al. 2017)", at_least=1, at_most=WIDEST)
    width: int | None = option(None, "size of a projected or pooled c; null: hidden", at_least=1, at_most=WIDEST)

    def __post_init__(self) -> None:
        check_ranges(self)
        if self.hops > 1 and (self.kind is not ContextKind.POOLED or self.pooling is not Pooling.ATTENTIVE):
            raise SettingError(f"hops={self.hops} needs context=pooled and context.pooling=attentive. Choose these, "
                               "or context.hops=1.")
        if self.width is not None and self.kind not in (ContextKind.PROJECTED, ContextKind.POOLED):
            raise SettingError(f"width={self.width} cannot go with context={self.kind.value}, whose c is as wide as "
                               "the states. Choose context=projected or pooled, or context.width=null.")


HEADS = 4


@dataclasses.dataclass(kw_only=True)
class AttentionSettings:
    score: ScoreKind = option(ScoreKind.ADDITIVE, "score(s, h_j)")
    heads: int = option(0, "of score=scaled; 0: four, and one for the other scores", at_least=0, at_most=WIDEST)
    feed: AttentionFeed = option(AttentionFeed.READOUT, "where c_t enters the decoder")
    query: AttentionQuery = option(AttentionQuery.PREVIOUS, "of feed=input: which state attends")
    start: AttentionStart = option(AttentionStart.LAST, "what s_0 is made of")

    def __post_init__(self) -> None:
        check_ranges(self)
        if self.heads == 0:
            self.heads = HEADS if self.score is ScoreKind.SCALED else 1
        if self.heads > 1 and self.score is not ScoreKind.SCALED:
            raise SettingError(f"heads={self.heads} needs score=scaled; score={self.score.value} has one head.")


@dataclasses.dataclass(kw_only=True)
class FeedSettings:
    context: FeedContext = option(FeedContext.EVERY_STEP, "when c enters the decoder")
    output: bool = option(True, "y_{t-1} is fed back into step t")


@dataclasses.dataclass(kw_only=True)
class DropoutSettings:
    embedding: float = option(0.2, "share of embedding components set to zero", at_least=0, below=1)
    layer: float = option(0.2, "share of the states that one layer hands to the next", at_least=0, below=1)
    readout: float = option(0.2, "share of the readout vector, before the output matrix", at_least=0, below=1)
    word: float = option(0.0, "share of whole embeddings set to zero, source and target", at_least=0, below=1)
    recurrent: float = option(0.0,
        "share of the entries of W set to zero, the same at all steps (Merity et al. 2018)", at_least=0, below=1)
    variational: bool = option(False,
        "embedding, layer, readout: the same components at all steps of a row (Gal & Ghahramani 2016)")

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclasses.dataclass(kw_only=True)
class WordSettings:
    """What shape=n_to_n makes words of: seq2seq/models/word_encoder.py."""

    hidden: int = option(256,
        "size of the encoder over the tokens of a word, both directions together", at_least=1, at_most=WIDEST)
    embedding: int = option(100, "size of the embedding of a whole word", at_least=1, at_most=WIDEST)
    rows: int = option(65_536, "rows of the table of whole words", at_least=1, at_most=1 << 24)

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclasses.dataclass(kw_only=True)
class ModelSettings:
    embedding: int = option(256, "embedding size E", at_least=1, at_most=WIDEST)
    hidden: int = option(512,
        "state size H of encoder (both directions together) and decoder", at_least=1, at_most=WIDEST)
    encoder_layers: int = option(1, "layers of the encoder", at_least=1, at_most=MOST_LAYERS)
    decoder_layers: int = option(1, "layers of the decoder", at_least=1, at_most=MOST_LAYERS)
    bidirectional: bool = option(True, "the encoder reads in both directions")
    residual: bool = option(False, "x + f(x) around every layer above the first")
    layer_norm: bool = option(False, "normalise what a layer hands to the next")
    tie: Tie = option(Tie.TARGET, "which tables share their weights")
    readout: ReadoutKind = option(ReadoutKind.LUONG, "how s_t, c_t and y_{t-1} become the readout vector")
    reverse_source: bool = option(False, "read the source from right to left (Sutskever et al. 2014)")
    reverse_target: bool = option(False, "write the target from right to left, for rerank.forward (Liu et al. 2016)")
    reverse_decoder: bool = option(False,
        "a second, right-to-left decoder, for rerank.second_decoder (Zhang et al. 2018)")
    words: WordSettings = group(WordSettings, "of shape=n_to_n: how words are made of tokens")
    dropout: DropoutSettings = group(DropoutSettings, "dropout")

    def __post_init__(self) -> None:
        check_ranges(self)
        for name, hidden in (("hidden", self.hidden), ("words.hidden", self.words.hidden)):
            if self.bidirectional and hidden % 2:
                raise SettingError(f"{name}={hidden} is odd; a bidirectional encoder halves it. Give an even number.")
        if self.reverse_target and self.reverse_decoder:
            raise SettingError("reverse_decoder=true is a second decoder from right to left, and with "
                               "model.reverse_target=true the first is one. Choose model.reverse_target=false.")


@dataclasses.dataclass(kw_only=True)
class NetworkSettings:
    """Everything that decides the network's parameters and equations, in one record.

    Settings of parts that a shape does not have (attention and feed of a classifier) are not looked at.
    """

    shape: Shape = option(Shape.N_TO_M, "what goes in and comes out")
    cell: CellSettings = group(CellSettings, "the recurrence")
    context: ContextSettings = group(ContextSettings, "what joins encoder and decoder")
    attention: AttentionSettings = group(AttentionSettings, "of context=attention")
    feed: FeedSettings = group(FeedSettings, "what enters the decoder")
    model: ModelSettings = group(ModelSettings, "sizes and parts of the network")

    @property
    def context_size(self) -> int:
        """The size of c, or of attention's c_t."""
        return self.context.width or self.model.hidden

    def __post_init__(self) -> None:
        _check_shape(self)
        if self.shape in LABELS:
            return
        attends = self.context.kind is ContextKind.ATTENTION
        if attends and self.feed.context is FeedContext.INITIAL_STATE:
            raise SettingError(
                "feed.context=initial_state cannot go with context=attention, whose c_t changes at every step. "
                "Choose feed.context=every_step, or context=last, projected or pooled."
            )
        if attends and self.attention.feed is AttentionFeed.UPPER_LAYERS and self.model.decoder_layers < 2:
            raise SettingError(
                f"attention.feed=upper_layers needs model.decoder_layers of at least 2, not "
                f"{self.model.decoder_layers}: there is no upper layer to feed. Choose attention.feed=readout."
            )
        if attends and self.attention.feed is AttentionFeed.INPUT and self.model.decoder_layers > 1:
            for name, off in (("recurrent", 0.0), ("variational", False)):
                if (value := getattr(self.model.dropout, name)) != off:
                    raise SettingError(
                        f"model.dropout.{name}={str(value).lower()} is one draw for all steps, and cannot go with "
                        f"attention.feed=input and model.decoder_layers={self.model.decoder_layers}, whose upper "
                        "layers go step by step. Choose another attention.feed, or model.decoder_layers=1."
                    )
        if attends and self.model.hidden % self.attention.heads:
            raise SettingError(
                f"attention.heads={self.attention.heads} does not divide model.hidden={self.model.hidden}."
            )


LABELS = (Shape.N_TO_N, Shape.N_TO_1)  # their targets are labels: nothing is fed back, nothing is searched for
_CONTEXTS = {
    Shape.N_TO_M: (ContextKind.LAST, ContextKind.PROJECTED, ContextKind.POOLED, ContextKind.ATTENTION),
    Shape.N_TO_N: (ContextKind.NONE,),
    Shape.N_TO_1: (ContextKind.LAST, ContextKind.PROJECTED, ContextKind.POOLED),
    Shape.ONE_TO_N: (ContextKind.LAST, ContextKind.PROJECTED),
}


def _check_shape(settings: NetworkSettings) -> None:
    shape, kinds = settings.shape, _CONTEXTS[settings.shape]
    if settings.context.kind not in kinds:
        choices = " or ".join(f"context={kind.value}" for kind in kinds)
        raise SettingError(f"context={settings.context.kind.value} cannot go with shape={shape.value}, which takes "
                           f"{choices}. Choose that, or another shape.")
    if shape in LABELS and settings.model.tie is not Tie.NONE:
        raise SettingError(f"model.tie={settings.model.tie.value} cannot go with shape={shape.value}, which has no "
                           "target embeddings. Choose model.tie=none.")
    for name in ("reverse_source", "reverse_target", "reverse_decoder"):
        if getattr(settings.model, name) and shape is not Shape.N_TO_M:
            raise SettingError(f"model.{name}=true belongs to shape=n_to_m; shape={shape.value} does without.")
