"""Settings of the network: cell, context, attention, feed, sizes. The equations are in seq2seq/models."""

from __future__ import annotations

import dataclasses
import enum

from seq2seq.errors import SettingError
from seq2seq.settings.reading import check

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
    kind: CellKind = CellKind.GRU
    nonlinearity: Nonlinearity = Nonlinearity.TANH  # of the plain RNN only
    layer_norm: bool = False  # inside the recurrence                                  Ba et al. 2016
    transitions: int = 0      # further steps without an input at every t              Pascanu et al. 2014

    def __post_init__(self) -> None:
        check(self, "transitions", at_least=0, at_most=MOST_LAYERS)
        if self.nonlinearity is Nonlinearity.RELU and self.kind is not CellKind.RNN:
            raise SettingError(f"nonlinearity=relu belongs to kind=rnn; kind={self.kind.value} has its own. Use tanh.")


@dataclasses.dataclass(kw_only=True)
class ContextSettings:
    kind: ContextKind = ContextKind.ATTENTION
    pooling: Pooling = Pooling.MEAN  # of kind=pooled only
    hops: int = 1                    # of pooling=attentive only: so many weightings of h_1..h_N       Lin et al. 2017
    width: int | None = None         # C, the size of a fixed c that is g of something; null: H

    def __post_init__(self) -> None:
        for field in ("hops", "width"):
            check(self, field, at_least=1, at_most=WIDEST)
        if self.hops > 1 and (self.kind is not ContextKind.POOLED or self.pooling is not Pooling.ATTENTIVE):
            raise SettingError(f"hops={self.hops} needs context=pooled and context.pooling=attentive. Choose these, "
                               "or context.hops=1.")
        if self.width is not None and self.kind not in (ContextKind.PROJECTED, ContextKind.POOLED):
            raise SettingError(f"width={self.width} cannot go with context={self.kind.value}, whose c is as wide as "
                               "the states. Choose context=projected or pooled, or context.width=null.")


HEADS = 4


@dataclasses.dataclass(kw_only=True)
class AttentionSettings:
    score: ScoreKind = ScoreKind.ADDITIVE
    heads: int = 0           # of score=scaled; 0: HEADS, and one for the other scores
    feed: AttentionFeed = AttentionFeed.READOUT
    query: AttentionQuery = AttentionQuery.PREVIOUS  # of feed=input only
    start: AttentionStart = AttentionStart.LAST      # what s_0 is made of

    def __post_init__(self) -> None:
        check(self, "heads", at_least=0, at_most=WIDEST)
        if self.heads == 0:
            self.heads = HEADS if self.score is ScoreKind.SCALED else 1
        if self.heads > 1 and self.score is not ScoreKind.SCALED:
            raise SettingError(f"heads={self.heads} needs score=scaled; score={self.score.value} has one head.")


@dataclasses.dataclass(kw_only=True)
class FeedSettings:
    context: FeedContext = FeedContext.EVERY_STEP
    output: bool = True  # y_{t-1} is fed back


@dataclasses.dataclass(kw_only=True)
class DropoutSettings:
    embedding: float = 0.2  # share of embedding components set to zero
    layer: float = 0.2      # on the states that one layer hands to the next
    readout: float = 0.2    # on the readout vector before the output matrix
    word: float = 0.0       # share of whole embeddings set to zero (source and target)
    recurrent: float = 0.0  # share of the entries of W set to zero, the same at all steps      Merity et al. 2018
    variational: bool = False  # the first three: the same components at all steps of a row    Gal & Ghahramani 2016

    def __post_init__(self) -> None:
        for field in ("embedding", "layer", "readout", "word", "recurrent"):
            check(self, field, at_least=0, below=1)


@dataclasses.dataclass(kw_only=True)
class WordSettings:
    """What shape=n_to_n makes words of: seq2seq/models/word_encoder.py."""

    hidden: int = 256     # of the encoder over pieces, both directions together
    embedding: int = 100  # of a word as a whole
    rows: int = 65_536    # of the table of whole words

    def __post_init__(self) -> None:
        check(self, "rows", at_least=1, at_most=1 << 24)
        for field in ("hidden", "embedding"):
            check(self, field, at_least=1, at_most=WIDEST)


@dataclasses.dataclass(kw_only=True)
class ModelSettings:
    embedding: int = 256        # E
    hidden: int = 512           # H, of encoder (both directions together) and decoder
    encoder_layers: int = 1
    decoder_layers: int = 1
    bidirectional: bool = True
    residual: bool = False      # x + f(x) around every layer above the first
    layer_norm: bool = False    # on what a layer hands to the next, outside the recurrence
    tie: Tie = Tie.TARGET
    readout: ReadoutKind = ReadoutKind.LUONG
    reverse_source: bool = False  # Sutskever et al. 2014
    reverse_target: bool = False  # written from right to left: Liu et al. 2016
    reverse_decoder: bool = False  # a second decoder, from right to left: Zhang et al. 2018
    words: WordSettings = dataclasses.field(default_factory=WordSettings)  # of shape=n_to_n only
    dropout: DropoutSettings = dataclasses.field(default_factory=DropoutSettings)

    def __post_init__(self) -> None:
        for field in ("embedding", "hidden"):
            check(self, field, at_least=1, at_most=WIDEST)
        for field in ("encoder_layers", "decoder_layers"):
            check(self, field, at_least=1, at_most=MOST_LAYERS)
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

    shape: Shape = Shape.N_TO_M
    cell: CellSettings = dataclasses.field(default_factory=CellSettings)
    context: ContextSettings = dataclasses.field(default_factory=ContextSettings)
    attention: AttentionSettings = dataclasses.field(default_factory=AttentionSettings)
    feed: FeedSettings = dataclasses.field(default_factory=FeedSettings)
    model: ModelSettings = dataclasses.field(default_factory=ModelSettings)

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
