"""Settings of data_prep: where the pairs come from, cleaning, overlap, tokenizer."""

from __future__ import annotations

import dataclasses
import enum
import unicodedata
from collections.abc import Mapping
from typing import Any

from seq2seq.errors import SettingError
from seq2seq.settings.labels import Labels, check_labels
from seq2seq.settings.reading import check, read_settings


@dataclasses.dataclass(kw_only=True)
class GrammarData:
    """The embedded English-German grammar: any number of pairs, no download."""

    name: str = "grammar"
    train: int = 35_000  # pairs
    valid: int = 500
    test: int = 1_000
    max_words: int = 60  # words of the longer side

    def __post_init__(self) -> None:
        for field in ("train", "valid", "test"):
            check(self, field, at_least=1)
        check(self, "max_words", at_least=8)  # shorter sentences are too few


@dataclasses.dataclass(kw_only=True)
class FilesData:
    """Files on the disk: two aligned text files per split, or one table file per split."""

    name: str = "files"
    source: str = ""         # language of the source side, e.g. en: also the ending of its text files
    target: str = ""
    train: str = ""          # prefix of two text files, or a .tsv, .jsonl or .parquet file
    valid: str | None = None  # null: cut from train
    test: str | None = None   # null: cut from train
    source_column: str | None = None  # of a table file; null: the language
    target_column: str | None = None
    valid_size: int = 1_000  # pairs cut from train when no validation split is given; at most a tenth
    test_size: int = 1_000

    def __post_init__(self) -> None:
        for field, example in (("source", "en"), ("target", "de"), ("train", "corpus/train")):
            if not getattr(self, field):
                raise SettingError(f"{field} is missing. Give it, for example: data.{field}={example}")
        _check_sizes(self)


@dataclasses.dataclass(kw_only=True)
class Multi30kData:
    """Multi30k, English-German image captions (Elliott et al. 2016)."""

    name: str = "multi30k_en_de"
    raw_dir: str | None = None  # folder with train/val/test_2016_flickr .en/.de; null: from the hub


@dataclasses.dataclass(kw_only=True)
class HubData:
    """A translation data set of the hub, or a folder in the shape of one."""

    name: str = "hub"
    path: str = ""            # name on the hub (owner/name), or a local folder
    config: str | None = None
    source: str = ""          # language of the source side
    target: str = ""
    source_column: str | None = None  # null: the language, flat or inside a `translation` column
    target_column: str | None = None
    train: str = "train"      # names of the splits there
    valid: str | None = "validation"  # null: cut from train
    test: str | None = "test"         # null: cut from train
    revision: str | None = None
    streaming: bool = False   # read over the network as it goes instead of keeping a copy first
    valid_size: int = 1_000
    test_size: int = 1_000

    def __post_init__(self) -> None:
        for field, example in (("path", "owner/name"), ("source", "en"), ("target", "de")):
            if not getattr(self, field):
                raise SettingError(f"{field} is missing. Give it, for example: data.{field}={example}")
        _check_sizes(self)


DataSettings = GrammarData | FilesData | Multi30kData | HubData
DATA_KINDS: dict[str, type] = {"grammar": GrammarData, "files": FilesData, "multi30k": Multi30kData, "hub": HubData}


@dataclasses.dataclass(kw_only=True)
class Switch:
    """A filter that takes no numbers."""

    enabled: bool = True


@dataclasses.dataclass(kw_only=True)
class LengthFilter(Switch):
    """Drops a pair with a side outside the limits."""

    min_words: int = 1
    max_words: int = 250        # what spaces separate; estimated from the characters in scripts without spaces
    max_characters: int = 2_000

    def __post_init__(self) -> None:
        check(self, "min_words", at_least=1)
        check(self, "max_words", at_least=self.min_words)
        check(self, "max_characters", at_least=1)


@dataclasses.dataclass(kw_only=True)
class RatioFilter(Switch):
    """Drops a pair when (longer + slack) / (shorter + slack) is above the limit; lengths in letters of an alphabet, of
    which a Han, kana or hangul character counts as three. Where one language usually takes more than 1.5 times the
    letters of the other, the corpus's own median is the measure.
    """

    max_ratio: float = 3.0
    slack: int = 15  # characters; so that "Ja." may stand beside "Yes, of course."

    def __post_init__(self) -> None:
        check(self, "max_ratio", at_least=1)
        check(self, "slack", at_least=0)


class DuplicateKey(enum.Enum):
    PAIR = "pair"      # both sides equal
    SOURCE = "source"  # one pair for each source sentence
    TARGET = "target"  # one pair for each target sentence


@dataclasses.dataclass(kw_only=True)
class DuplicateFilter(Switch):
    """Keeps the first of equal pairs."""

    by: DuplicateKey = DuplicateKey.PAIR


@dataclasses.dataclass(kw_only=True)
class ScriptFilter(Switch):
    """Drops a pair when too few letters of a side are of its script."""

    enabled: bool = False
    source: str = "Latin"  # a Unicode script name: Latin, Cyrillic, Han, Arabic, ...
    target: str = "Latin"
    min_share: float = 0.5

    def __post_init__(self) -> None:
        check(self, "min_share", at_least=0, at_most=1)


@dataclasses.dataclass(kw_only=True)
class LanguageFilter(Switch):
    """Drops a pair when py3langid is sure that a side is of another language."""

    enabled: bool = False
    min_probability: float = 0.9  # of the other language
    min_characters: int = 30      # shorter sides are not judged

    def __post_init__(self) -> None:
        check(self, "min_probability", at_least=0, at_most=1)
        check(self, "min_characters", at_least=1)


@dataclasses.dataclass(kw_only=True)
class CleaningSettings:
    """The filters of the training split, in the order in which they run."""

    unicode: Switch = dataclasses.field(default_factory=Switch)     # NFC
    # Control and other invisible characters become nothing; U+200B stays between words (seq2seq/text/languages.py).
    control: Switch = dataclasses.field(default_factory=Switch)
    whitespace: Switch = dataclasses.field(default_factory=Switch)  # one space between words, none around
    empty: Switch = dataclasses.field(default_factory=Switch)
    length: LengthFilter = dataclasses.field(default_factory=LengthFilter)
    ratio: RatioFilter = dataclasses.field(default_factory=RatioFilter)
    identical: Switch = dataclasses.field(default_factory=Switch)
    script: ScriptFilter = dataclasses.field(default_factory=ScriptFilter)
    numbers: Switch = dataclasses.field(default_factory=lambda: Switch(enabled=False))
    aligned: Switch = dataclasses.field(default_factory=lambda: Switch(enabled=False))  # as many words on both sides
    language: LanguageFilter = dataclasses.field(default_factory=LanguageFilter)
    duplicates: DuplicateFilter = dataclasses.field(default_factory=DuplicateFilter)


class OverlapRemoval(enum.Enum):
    NONE = "none"      # only reported
    PAIR = "pair"      # training pairs that validation or test has
    SOURCE = "source"  # training pairs with a source side that validation or test has
    TARGET = "target"  # the same of the target side
    EITHER = "either"  # with either


class OverlapMatch(enum.Enum):
    EXACT = "exact"
    NORMALISED = "normalised"  # without case, white space and punctuation


@dataclasses.dataclass(kw_only=True)
class OverlapSettings:
    """What happens to training pairs that occur in validation or test."""

    remove: OverlapRemoval = OverlapRemoval.NONE
    match: OverlapMatch = OverlapMatch.NORMALISED


class TokenizerKind(enum.Enum):
    UNIGRAM = "unigram"  # Kudo 2018
    BPE = "bpe"          # Sennrich et al. 2016
    CHAR = "char"
    WORD = "word"


@dataclasses.dataclass(kw_only=True)
class SideSettings:
    """What one side has for itself, with joint=false; null: what both have."""

    kind: TokenizerKind | None = None
    vocabulary: int | None = None

    def __post_init__(self) -> None:
        check(self, "vocabulary", at_least=8)


@dataclasses.dataclass(kw_only=True)
class TokenizerSettings:
    kind: TokenizerKind = TokenizerKind.UNIGRAM
    vocabulary: int = 8_000     # pieces, PAD UNK BOS EOS among them; fewer when the corpus has not so many
    joint: bool = True          # one vocabulary for both sides; false: one for each, of this size
    sample: int = 100_000       # pairs of the training split, drawn with the seed, to learn the pieces from
    coverage: float = 1.0       # share of the characters of the sample that get a piece of their own
    byte_fallback: bool = False  # an unknown character becomes its UTF-8 bytes instead of UNK (256 pieces)
    symbols: list[str] = dataclasses.field(default_factory=list)  # each one piece, wherever it stands, on both sides
    corpus: str | None = None   # folder of a packed corpus: its pieces are taken, none are learnt
    source: SideSettings = dataclasses.field(default_factory=SideSettings)
    target: SideSettings = dataclasses.field(default_factory=SideSettings)

    def __post_init__(self) -> None:
        check(self, "vocabulary", at_least=8)
        check(self, "sample", at_least=1)
        check(self, "coverage", at_least=0.98, at_most=1)  # as SentencePiece has it
        self._check_symbols()
        for name in ("source", "target"):
            side = getattr(self, name)
            if self.joint and side != SideSettings():
                key, value = ("vocabulary", side.vocabulary) if side.kind is None else ("kind", side.kind.value)
                raise SettingError(f"{name}.{key}={value} needs joint=false: a joint vocabulary has no sides.")

    def _check_symbols(self) -> None:
        for symbol in self.symbols:
            # A comma parts them for SentencePiece, and what stands in angles may be one of its own pieces.
            composed = unicodedata.normalize("NFC", symbol) == symbol  # as cleaned text is
            if not symbol or not symbol.isprintable() or not composed or set(symbol) & set(" ,<>\u2581"):
                raise SettingError(f"symbols holds {symbol!r}. A symbol has composed letters (NFC), no white space, "
                                   "comma, < or >: give, for example, symbols=[@news,@speech]")
        if len(set(self.symbols)) < len(self.symbols):
            raise SettingError(f"symbols={self.symbols} names one twice. Give each once.")
        if self.symbols and self.corpus:
            raise SettingError(f"symbols={self.symbols} cannot be added to the pieces of corpus={self.corpus}. Leave "
                               "symbols out: those that it was prepared with are among its pieces.")

    def of(self, side: SideSettings) -> TokenizerSettings:
        """The settings of one side by itself."""
        return dataclasses.replace(self, kind=side.kind or self.kind, vocabulary=side.vocabulary or self.vocabulary,
                                   source=SideSettings(), target=SideSettings())


@dataclasses.dataclass(kw_only=True)
class PrepareSettings:
    """All of `python -m data_prep`."""

    corpus: str                   # folder of the packed corpus
    data: Any                     # DataSettings; read by its `kind`
    labels: Labels = Labels.NONE  # data=tagging, classification and generation set it
    seed: int = 1
    num_proc: int | None = None   # processes; null: as many as there are cores. Changes no byte of the corpus
    cleaning: CleaningSettings = dataclasses.field(default_factory=CleaningSettings)
    overlap: OverlapSettings = dataclasses.field(default_factory=OverlapSettings)
    tokenizer: TokenizerSettings = dataclasses.field(default_factory=TokenizerSettings)
    shortlist: int = 64           # translations of each source piece, for search.shortlist of translate.py; 0: none

    def __post_init__(self) -> None:
        for field in ("seed", "shortlist"):
            check(self, field, at_least=0)
        check(self, "num_proc", at_least=1)
        if not self.corpus:
            raise SettingError("corpus is empty. Give the folder to write, for example: corpus=data/mine")
        if isinstance(self.data, Mapping):
            self.data = read_data(self.data)
        check_labels(self)


def read_data(mapping: Mapping[str, Any]) -> DataSettings:
    """The dataclass that `kind` names, from the other keys. Raises SettingError with the dotted key."""
    rest = dict(mapping)
    kind = rest.pop("kind", None)
    if kind not in DATA_KINDS:
        raise SettingError(f"data.kind={kind} is not one of: {', '.join(DATA_KINDS)}.")
    return read_settings(DATA_KINDS[kind], rest, "data")


def _check_sizes(data: FilesData | HubData) -> None:
    check(data, "valid_size", at_least=1)
    check(data, "test_size", at_least=1)
