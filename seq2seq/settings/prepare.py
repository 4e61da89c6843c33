"""Settings of data_prep: where the pairs come from, cleaning, overlap, tokenizer."""

from __future__ import annotations

import dataclasses
import enum
import unicodedata
from collections.abc import Mapping
from typing import Any

from seq2seq.errors import SettingError
from seq2seq.settings.fields import check_ranges, group, option, required
from seq2seq.settings.labels import Labels, check_labels
from seq2seq.settings.reading import check, read_settings


@dataclasses.dataclass(kw_only=True)
class GrammarData:
    """The embedded English-German grammar: any number of pairs, no download."""

    name: str = option("grammar", "name of the corpus")
    train: int = option(35_000, "training pairs", at_least=1)
    valid: int = option(500, "validation pairs", at_least=1)
    test: int = option(1_000, "test pairs", at_least=1)
    max_words: int = option(60, "words of the longer side", at_least=8)

    def __post_init__(self) -> None:
        check_ranges(self)  # max_words: shorter sentences are too few


@dataclasses.dataclass(kw_only=True)
class FilesData:
    """Files on the disk: two aligned text files per split, or one table file per split."""

    name: str = option("files", "name of the corpus")
    source: str = option("", "source language, which is also the ending of its text files: en")
    target: str = option("", "target language")
    train: str = option("", "prefix of two text files, or a table (.tsv, .csv, .jsonl, .parquet)")
    valid: str | None = option(None, "likewise; null: cut from train")
    test: str | None = option(None, "likewise; null: cut from train")
    source_column: str | None = option(None, "column of a table; null: the language")
    target_column: str | None = option(None, "column of a table; null: the language")
    valid_size: int = option(1_000, "pairs cut from train if there is no validation split; at most a tenth", at_least=1)
    test_size: int = option(1_000, "pairs cut from train if there is no test split; at most a tenth", at_least=1)

    def __post_init__(self) -> None:
        for field, example in (("source", "en"), ("target", "de"), ("train", "corpus/train")):
            if not getattr(self, field):
                raise SettingError(f"{field} is missing. Give it, for example: data.{field}={example}")
        check_ranges(self)


@dataclasses.dataclass(kw_only=True)
class Multi30kData:
    """Multi30k, English-German image captions (Elliott et al. 2016)."""

    name: str = option("multi30k_en_de", "name of the corpus")
    raw_dir: str | None = option(None, "folder with train, val, test_2016_flickr .en/.de; null: from the hub")


@dataclasses.dataclass(kw_only=True)
class HubData:
    """A translation data set of the hub, or a folder in the shape of one."""

    name: str = option("hub", "name of the corpus")
    path: str = option("", "name on the hub (owner/name), or a local folder")
    config: str | None = option(None, "configuration of the data set")
    source: str = option("", "source language")
    target: str = option("", "target language")
    source_column: str | None = option(None, "null: the language, flat or inside a `translation` column")
    target_column: str | None = option(None, "null: the language")
    train: str = option("train", "name of the training split there")
    valid: str | None = option("validation", "name of the validation split; null: cut from train")
    test: str | None = option("test", "name of the test split; null: cut from train")
    revision: str | None = option(None, "commit or tag of the data set")
    streaming: bool = option(False, "read over the network instead of keeping a copy")
    valid_size: int = option(1_000, "pairs cut from train if there is no validation split; at most a tenth", at_least=1)
    test_size: int = option(1_000, "pairs cut from train if there is no test split; at most a tenth", at_least=1)

    def __post_init__(self) -> None:
        for field, example in (("path", "owner/name"), ("source", "en"), ("target", "de")):
            if not getattr(self, field):
                raise SettingError(f"{field} is missing. Give it, for example: data.{field}={example}")
        check_ranges(self)


DataSettings = GrammarData | FilesData | Multi30kData | HubData
DATA_KINDS: dict[str, type] = {"grammar": GrammarData, "files": FilesData, "multi30k": Multi30kData, "hub": HubData}


@dataclasses.dataclass(kw_only=True)
class Switch:
    """A filter that takes no numbers."""

    enabled: bool = option(True, "the filter runs")


@dataclasses.dataclass(kw_only=True)
class LengthFilter(Switch):
    """Drops a pair with a side outside the limits."""

    min_words: int = option(1, "fewest words of a side", at_least=1)
    max_words: int = option(250, "most words of a side; estimated from the characters in scripts without spaces")
    max_characters: int = option(2_000, "most characters of a side", at_least=1)

    def __post_init__(self) -> None:
        check_ranges(self)
        check(self, "max_words", at_least=self.min_words)


@dataclasses.dataclass(kw_only=True)
class RatioFilter(Switch):
    """Drops a pair when (longer + slack) / (shorter + slack) is above the limit; lengths in letters of an alphabet, of
    which a Han, kana or hangul character counts as three. Where one language usually takes more than 1.5 times the
    letters of the other, the corpus's own median is the measure.
    """

    max_ratio: float = option(3.0, "largest (longer + slack) / (shorter + slack), in letters", at_least=1)
    slack: int = option(15, "characters added to both sides, so that short pairs pass", at_least=0)

    def __post_init__(self) -> None:
        check_ranges(self)


class DuplicateKey(enum.Enum):
    PAIR = "pair"      # both sides equal
    SOURCE = "source"  # one pair for each source sentence
    TARGET = "target"  # one pair for each target sentence


@dataclasses.dataclass(kw_only=True)
class DuplicateFilter(Switch):
    """Keeps the first of equal pairs."""

    by: DuplicateKey = option(DuplicateKey.PAIR, "what counts as equal")


@dataclasses.dataclass(kw_only=True)
class ScriptFilter(Switch):
    """Drops a pair when too few letters of a side are of its script."""

    enabled: bool = option(False, "the filter runs")
    source: str = option("Latin", "Unicode script of the source: Latin, Cyrillic, Han, Arabic, ...")
    target: str = option("Latin", "Unicode script of the target")
    min_share: float = option(0.5, "smallest share of letters of that script", at_least=0, at_most=1)

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclasses.dataclass(kw_only=True)
class LanguageFilter(Switch):
    """Drops a pair when py3langid is sure that a side is of another language."""

    enabled: bool = option(False, "the filter runs (needs py3langid)")
    min_probability: float = option(0.9, "how sure it must be of another language", at_least=0, at_most=1)
    min_characters: int = option(30, "shorter sides pass", at_least=1)

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclasses.dataclass(kw_only=True)
class CleaningSettings:
    """The filters of the training split, in the order in which they run."""

    unicode: Switch = group(Switch, "Unicode normalisation (NFC)")
    # Control and other invisible characters become nothing; U+200B stays between words (seq2seq/text/languages.py).
    control: Switch = group(Switch,
        "control and invisible characters are removed; U+200B stays in Thai, Khmer, Lao and Burmese")
    whitespace: Switch = group(Switch, "one space between words, none around")
    empty: Switch = group(Switch, "drops pairs with an empty side")
    length: LengthFilter = group(LengthFilter, "drops sides outside the limits")
    ratio: RatioFilter = group(RatioFilter, "drops pairs of very different lengths")
    identical: Switch = group(Switch, "drops pairs whose sides are equal")
    script: ScriptFilter = group(ScriptFilter, "drops sides of another script")
    numbers: Switch = group(lambda: Switch(enabled=False), "drops pairs whose numbers differ")
    aligned: Switch = group(lambda: Switch(enabled=False), "drops pairs with different numbers of words")
    language: LanguageFilter = group(LanguageFilter, "drops sides of another language")
    duplicates: DuplicateFilter = group(DuplicateFilter, "keeps the first of equal pairs")


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

    remove: OverlapRemoval = option(OverlapRemoval.NONE,
        "training pairs that are removed because validation or test has them")
    match: OverlapMatch = option(OverlapMatch.NORMALISED, "when two sentences are the same")


class TokenizerKind(enum.Enum):
    UNIGRAM = "unigram"  # Kudo 2018
    BPE = "bpe"          # Sennrich et al. 2016
    CHAR = "char"
    WORD = "word"


@dataclasses.dataclass(kw_only=True)
class SideSettings:
    """What one side has for itself, with joint=false; null: what both have."""

    kind: TokenizerKind | None = option(None, "kind of tokenizer of this side; null: that of both")
    vocabulary: int | None = option(None, "tokens of this side; null: that of both", at_least=8)

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclasses.dataclass(kw_only=True)
class TokenizerSettings:
    kind: TokenizerKind = option(TokenizerKind.UNIGRAM, "how text becomes tokens")
    vocabulary: int = option(8_000, "tokens, PAD UNK BOS EOS among them; fewer if the corpus is small", at_least=8)
    joint: bool = option(True, "one vocabulary for both sides; false: one each")
    sample: int = option(100_000, "training pairs that the tokens are learnt from", at_least=1)
    coverage: float = option(1.0, "share of the characters that get a token", at_least=0.98, at_most=1)
    byte_fallback: bool = option(False, "an unknown character becomes its UTF-8 bytes instead of UNK (256 tokens)")
    symbols: list[str] = group(list, "tags that you write into the text: each is one token wherever it stands")
    corpus: str | None = option(None, "folder of a packed corpus whose tokenizer is taken; null: learn one")
    source: SideSettings = group(SideSettings, "with joint=false: the source side")
    target: SideSettings = group(SideSettings, "with joint=false: the target side")

    def __post_init__(self) -> None:
        check_ranges(self)  # coverage: as SentencePiece has it
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

    corpus: str = required("folder of the packed corpus to write")
    data: Any = required("where the text comes from")  # DataSettings; read by its `kind`
    labels: Labels = option(Labels.NONE, "what the targets are; data=tagging, classification and generation set it")
    seed: int = option(1, "of every draw", at_least=0)
    num_proc: int | None = option(None, "processes; null: as many as cores. Changes no byte of the corpus", at_least=1)
    cleaning: CleaningSettings = group(CleaningSettings,
        "filters of the training split, in the order in which they run")
    overlap: OverlapSettings = group(OverlapSettings, "training pairs that occur in validation or test")
    tokenizer: TokenizerSettings = group(TokenizerSettings, "how text becomes tokens")
    shortlist: int = option(64,
        "likely translations learnt for each source token, for search.shortlist; 0: none", at_least=0)

    def __post_init__(self) -> None:
        check_ranges(self)
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

