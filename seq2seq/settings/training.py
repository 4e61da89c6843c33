"""Settings of a training run: optimizer, schedule, batches, precision, stopping, averaging."""

from __future__ import annotations

import dataclasses
import enum

from seq2seq.errors import SettingError
from seq2seq.settings.device import Device, Precision, check_precision
from seq2seq.settings.fields import check_ranges, group, option
from seq2seq.settings.model import LABELS, AttentionFeed, ContextKind, NetworkSettings, Shape
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
    kind: OptimizerKind = option(OptimizerKind.ADAMW, "the optimizer")
    learning_rate: float = option(1e-3, "largest learning rate", above=0)
    betas: tuple[float, ...] = option((0.9, 0.98), "of Adam")
    epsilon: float = option(1e-8, "of Adam", above=0)
    weight_decay: float = option(0.01, "of AdamW", at_least=0)
    schedule: Schedule = option(Schedule.INVERSE_SQRT, "how the learning rate changes")
    warmup_updates: int = option(400, "updates until the learning rate is reached", at_least=0)
    final_share: float = option(0.05,
        "schedule=cosine: last learning rate as a share of learning_rate", at_least=0, at_most=1)
    plateau_factor: float = option(0.5, "schedule=plateau: factor on the learning rate", above=0, below=1)
    plateau_patience: int = option(1, "schedule=plateau: validations without improvement before the factor", at_least=0)

    def __post_init__(self) -> None:
        check_ranges(self)
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            raise SettingError(f"betas={list(self.betas)} is not two numbers in [0, 1). Write betas=[0.9,0.98].")


@dataclasses.dataclass(kw_only=True)
class SubwordSamplingSettings:
    """Another segmentation of the same text every epoch (Kudo 2018; Provilkov et al. 2020)."""

    source: float = option(0.0,
        "unigram: smoothing alpha (0.1 samples widely, 1 hardly); bpe: dropout; 0: off", at_least=0, at_most=1)
    target: float = option(0.0, "likewise", at_least=0, at_most=1)

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclasses.dataclass(kw_only=True)
class TrainingSettings:
    batch_pieces: int = option(4000,
        "padded tokens of the longer side in a batch, over all devices and parts", at_least=1)
    accumulate: int = option(1, "parts of a batch, computed one after the other", at_least=1)
    max_pieces: int = option(200, "pairs with a longer side are left out, and counted", at_least=1)
    max_updates: int | None = option(None,
        "the run ends at the first of max_updates, max_epochs, max_minutes", at_least=1)
    max_epochs: int | None = option(20, "epochs", at_least=1)
    max_minutes: float | None = option(None, "minutes of the loop, over all resumes", above=0)
    validate_every: int | None = option(None, "updates; null: at the end of every epoch", at_least=1)
    log_every: int = option(50, "updates", at_least=1)
    checkpoint_minutes: float = option(5.0, "minutes between two checkpoints, besides validations", above=0)
    best_by: Measure = option(Measure.BLEU, "which score chooses best/")
    patience: int | None = option(None,
        "validations without a better best_by before the run ends; null: never", at_least=1)
    clip_norm: float | None = option(1.0, "largest norm of the gradient; null: no clipping", above=0)
    label_smoothing: float = option(0.1, "share of the target spread over all tokens", at_least=0, below=1)
    scheduled_sampling: float = option(0.0,
        "share of fed-back tokens that are the model's own (Bengio et al. 2015)", at_least=0, at_most=1)
    consistency: float = option(0.0,
        "R-Drop weight: two passes per batch with different dropout masks; 0: off (Liang et al. 2021)", at_least=0)
    risk: float = option(0.0,
        "share of the loss that is minimum risk, for fork=RUN of a trained model; 0: off (Shen et al. 2016)",
        at_least=0, at_most=1)
    risk_draws: int = option(8, "samples per source of the risk; cost grows linearly", at_least=2)
    subword_sampling: SubwordSamplingSettings = group(SubwordSamplingSettings,
        "another segmentation of the same text every epoch")
    averaging: Averaging = option(Averaging.NONE, "of the weights that are validated and kept")
    ema_decay: float = option(0.999, "averaging=ema: decay for each update", above=0, below=1)
    average_last: int = option(5, "averaging=last: number of validations", at_least=1)
    precision: Precision = option(Precision.AUTO, "of products in training")
    device: Device = option(Device.AUTO, "where it computes")
    threads: int | None = option(None, "CPU threads; null: torch's choice", at_least=1)
    graphs: bool = option(False,
        "CUDA: forward and backward as one graph for each shape of batch; 2 to 3 times as fast with small ones")
    deterministic: bool = option(False, "CUDA: only deterministic kernels (slower)")
    valid_sentences: int | None = option(None,
        "translate only the first so many validation sentences; null: all", at_least=1)
    max_loss_factor: float | None = option(2.0,
        "a loss above so many times ln V, ten updates in a row, ends the run; null: never", above=1)
    probe: bool = option(False, "measure memory and time of the largest batches, write nothing, and end")

    def __post_init__(self) -> None:
        check_ranges(self)
        check_precision(self.precision, Precision.INT8, "training")
        for field, off in (("accumulate", 1), ("scheduled_sampling", 0), ("risk", 0)):
            if self.graphs and (value := getattr(self, field)) > off:
                raise SettingError(f"graphs=true cannot go with training.{field}={value:g}. Choose "
                                   f"training.{field}={off}, or training.graphs=false.")
        if self.max_updates is None and self.max_epochs is None and self.max_minutes is None:
            raise SettingError("max_updates, max_epochs and max_minutes are all null: no run would end. Set one.")


@dataclasses.dataclass(kw_only=True)
class TrainSettings(NetworkSettings):
    """All of `train.py`: what the network is (NetworkSettings) and how it is trained."""

    corpus: str = option("data/grammar", "folder of a packed corpus")
    run: str = option("", "folder of the run; empty: runs/<corpus>-<cell>-<context>")
    fork: str | None = option(None, "folder of another run, which this one fine-tunes from its newest checkpoint")
    seed: int = option(1, "of every draw", at_least=0)
    optimizer: OptimizerSettings = group(OptimizerSettings, "optimizer and learning rate")
    training: TrainingSettings = group(TrainingSettings, "batches, duration, loss, numbers")
    search: SearchSettings = group(lambda: SearchSettings(kind=SearchKind.GREEDY), "of the translations at validation")
    scoring: ScoringSettings = group(ScoringSettings, "what BLEU counts")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_ranges(self)
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
