"""Settings of a training run: optimizer, schedule, batches, precision, stopping, averaging."""

from __future__ import annotations

import dataclasses
import enum

from seq2seq.errors import SettingError
from seq2seq.settings.device import Device, Precision, check_precision
from seq2seq.settings.model import LABELS, AttentionFeed, ContextKind, NetworkSettings, Shape
from seq2seq.settings.reading import check
from seq2seq.settings.scoring import ScoringSettings, Tokenize
from seq2seq.settings.search import SearchKind, SearchSettings


class OptimizerKind(enum.Enum):
    ADAM = "adam"    # Kingma & Ba 2015
    ADAMW = "adamw"  # Loshchilov & Hutter 2019


class Schedule(enum.Enum):
    INVERSE_SQRT = "inverse_sqrt"  # warm-up, then learning_rate * sqrt(warmup / update)     Vaswani et al. 2017
    COSINE = "cosine"              # warm-up, then half a cosine down to final_share         Loshchilov & Hutter 2017
    PLATEAU = "plateau"            # warm-up, then times plateau_factor when validation stops improving
    CONSTANT = "constant"          # warm-up, then learning_rate


class Averaging(enum.Enum):
    NONE = "none"
    EMA = "ema"    # w <- d w + (1 - d) w_t after every update
    LAST = "last"  # mean of the weights at the last k validations


class Measure(enum.Enum):
    BLEU = "bleu"              # shape=n_to_m
    CHRF = "chrf"              # shape=n_to_m
    ACCURACY = "accuracy"      # shape=n_to_n, n_to_1
    PERPLEXITY = "perplexity"  # any shape

    @property
    def higher_is_better(self) -> bool:
        return self is not Measure.PERPLEXITY


@dataclasses.dataclass(kw_only=True)
class OptimizerSettings:
    kind: OptimizerKind = OptimizerKind.ADAMW
    learning_rate: float = 1e-3
    betas: tuple[float, ...] = (0.9, 0.98)
    epsilon: float = 1e-8
    weight_decay: float = 0.01
    schedule: Schedule = Schedule.INVERSE_SQRT
    warmup_updates: int = 400
    final_share: float = 0.05      # schedule=cosine: last learning rate as a share of learning_rate
    plateau_factor: float = 0.5    # schedule=plateau
    plateau_patience: int = 1      # schedule=plateau: validations without improvement before the factor

    def __post_init__(self) -> None:
        check(self, "learning_rate", above=0)
        check(self, "epsilon", above=0)
        for field in ("weight_decay", "warmup_updates", "plateau_patience"):
            check(self, field, at_least=0)
        check(self, "final_share", at_least=0, at_most=1)
        check(self, "plateau_factor", above=0, below=1)
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            raise SettingError(f"betas={list(self.betas)} is not two numbers in [0, 1). Write betas=[0.9,0.98].")


@dataclasses.dataclass(kw_only=True)
class SubwordSamplingSettings:
    """Another segmentation of the same text every epoch (Kudo 2018; Provilkov et al. 2020)."""

    source: float = 0.0  # unigram: the smoothing alpha (0.1 samples widely, 1 hardly); bpe: dropout; 0: off
    target: float = 0.0

    def __post_init__(self) -> None:
        check(self, "source", at_least=0, at_most=1)
        check(self, "target", at_least=0, at_most=1)


@dataclasses.dataclass(kw_only=True)
class TrainingSettings:
    batch_pieces: int = 4000           # padded target pieces in a batch, over all devices and accumulation steps
    accumulate: int = 1                # gradients of so many parts of a batch are summed before an update
    max_pieces: int = 200              # pairs with a longer side are left out of training, and counted
    max_updates: int | None = None
    max_epochs: int | None = 20
    max_minutes: float | None = None
    validate_every: int | None = None  # updates; null: at the end of every epoch
    log_every: int = 50                # updates
    checkpoint_minutes: float = 5.0    # the most work that a crash between two validations can cost
    best_by: Measure = Measure.BLEU
    patience: int | None = None        # validations without a better best_by before stopping; null: never
    clip_norm: float | None = 1.0
    label_smoothing: float = 0.1
    scheduled_sampling: float = 0.0    # share of fed-back pieces that are the model's own      Bengio et al. 2015
    consistency: float = 0.0           # strength of R-Drop: every row twice, both to agree; 0: off    Liang et al. 2021
    risk: float = 0.0                  # share of the loss that is minimum risk; for a fork     Shen et al. 2016
    risk_draws: int = 8                # translations that it draws for each source
    subword_sampling: SubwordSamplingSettings = dataclasses.field(default_factory=SubwordSamplingSettings)
    averaging: Averaging = Averaging.NONE
    ema_decay: float = 0.999
    average_last: int = 5              # averaging=last: validations
    precision: Precision = Precision.AUTO
    device: Device = Device.AUTO
    threads: int | None = None         # CPU threads; null: torch's choice
    graphs: bool = False               # on CUDA: forward and backward as one graph for each shape of batches
    deterministic: bool = False        # on CUDA: only deterministic kernels (slower); the CPU is always
    valid_sentences: int | None = None  # translate only the first so many validation sentences for BLEU
    max_loss_factor: float | None = 2.0  # of ln V; a loss above it, ten updates in a row, ends the run; null: none does
    probe: bool = False                # only measure memory and time of the largest batches; writes nothing

    def __post_init__(self) -> None:
        for field in ("batch_pieces", "accumulate", "max_pieces", "max_updates", "max_epochs", "validate_every",
                      "log_every", "patience", "average_last", "threads", "valid_sentences"):
            check(self, field, at_least=1)
        check_precision(self.precision, Precision.INT8, "training")
        check(self, "max_minutes", above=0)
        check(self, "checkpoint_minutes", above=0)
        check(self, "clip_norm", above=0)
        check(self, "label_smoothing", at_least=0, below=1)
        check(self, "scheduled_sampling", at_least=0, at_most=1)
        check(self, "consistency", at_least=0)
        check(self, "risk", at_least=0, at_most=1)
        check(self, "risk_draws", at_least=2)
        check(self, "ema_decay", above=0, below=1)
        check(self, "max_loss_factor", above=1)
        for field, off in (("accumulate", 1), ("scheduled_sampling", 0), ("risk", 0)):
            if self.graphs and (value := getattr(self, field)) > off:
                raise SettingError(f"graphs=true cannot go with training.{field}={value:g}. Choose "
                                   f"training.{field}={off}, or training.graphs=false.")
        if self.max_updates is None and self.max_epochs is None and self.max_minutes is None:
            raise SettingError("max_updates, max_epochs and max_minutes are all null: no run would end. Set one.")


@dataclasses.dataclass(kw_only=True)
class TrainSettings(NetworkSettings):
    """All of `train.py`: what the network is (NetworkSettings) and how it is trained."""

    corpus: str = "data/grammar"  # folder of a packed corpus
    run: str = ""                 # folder of the run; empty: runs/<corpus>-<cell>-<context>
    fork: str | None = None       # folder of another run, from whose newest checkpoint this one begins
    seed: int = 1
    optimizer: OptimizerSettings = dataclasses.field(default_factory=OptimizerSettings)
    training: TrainingSettings = dataclasses.field(default_factory=TrainingSettings)
    search: SearchSettings = dataclasses.field(default_factory=lambda: SearchSettings(kind=SearchKind.GREEDY))
    scoring: ScoringSettings = dataclasses.field(default_factory=ScoringSettings)

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, "seed", at_least=0)
        if not self.corpus:
            raise SettingError("corpus is empty. Give the folder of a packed corpus: corpus=data/NAME")
        self._check_measure()
        if self.search.shortlist:
            raise SettingError(f"search.shortlist={self.search.shortlist} is for translate.py and evaluate.py; "
                               "validation looks at all pieces. Choose search.shortlist=0.")
        if self.search.mbr:
            raise SettingError(f"search.mbr={self.search.mbr} is for translate.py and evaluate.py; validation takes "
                               "the most probable translation. Choose search.mbr=0.")
        if self.shape is not Shape.N_TO_M and self.scoring.tokenize is not Tokenize.AUTO:
            raise SettingError(f"scoring.tokenize={self.scoring.tokenize.value} is for BLEU of translations, and this "
                               f"is shape={self.shape.value}. Choose scoring.tokenize=auto.")
        if self.shape in LABELS and self.training.scheduled_sampling > 0:
            raise SettingError(f"training.scheduled_sampling={self.training.scheduled_sampling:g} cannot go with "
                               f"shape={self.shape.value}, which feeds nothing back. Choose 0.")
        if self.shape in LABELS and self.training.graphs:
            raise SettingError("training.graphs=true is for shape=n_to_m and one_to_n, not for "
                               f"shape={self.shape.value}. Choose training.graphs=false.")
        if self.shape is not Shape.N_TO_M and self.training.risk:
            raise SettingError(f"training.risk={self.training.risk:g} is for translation, and this is "
                               f"shape={self.shape.value}. Choose training.risk=0.")
        stepwise = self.context.kind is ContextKind.ATTENTION and self.attention.feed is AttentionFeed.INPUT
        if self.training.scheduled_sampling > 0 and not self.feed.output:
            raise SettingError("training.scheduled_sampling needs feed.output=true: without it nothing is fed back.")
        if stepwise and self.training.scheduled_sampling > 0:
            raise SettingError(
                "training.scheduled_sampling runs in two parallel passes and cannot go with attention.feed=input. "
                "Choose attention.feed=readout or upper_layers, or training.scheduled_sampling=0."
            )

    def _check_measure(self) -> None:
        own = MEASURES.get(self.shape, [])
        if self.training.best_by not in (*own, Measure.PERPLEXITY):
            choices = " or ".join(f"training.best_by={kind.value}" for kind in (*own, Measure.PERPLEXITY))
            raise SettingError(f"training.best_by={self.training.best_by.value} cannot go with "
                               f"shape={self.shape.value}. Choose {choices}.")


MEASURES = {Shape.N_TO_M: [Measure.BLEU, Measure.CHRF], Shape.N_TO_N: [Measure.ACCURACY],
            Shape.N_TO_1: [Measure.ACCURACY]}
