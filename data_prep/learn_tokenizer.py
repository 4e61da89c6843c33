"""Learning the pieces: SentencePiece on a sample of the training text.

A model carries the rules of the filters unicode, control and whitespace, so that text to translate
meets the pieces in the form in which they were learnt. It carries no more than these: nfkc
(SentencePiece's default) turns "½" into "1/2" and "…" into "...", and decode(encode(x)) would no
longer give the cleaned text x.
"""

from __future__ import annotations

import io
import re
import tempfile
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import sentencepiece
from sentencepiece import sentencepiece_model_pb2

from seq2seq.corpus.packed import PackedCorpus
from seq2seq.errors import CorpusError, SettingError, UserError
from seq2seq.settings.prepare import TokenizerKind, TokenizerSettings
from seq2seq.storage.atomic import writing
from seq2seq.text.normalization import ZERO_WIDTH_SPACE, invisible
from seq2seq.tokenization.tokenizer import BOS, EOS, PAD, UNK, Tokenizer

LONGEST = 1 << 20  # bytes of a line that pieces are learnt from
THREADS = 4        # SentencePiece sums over threads: another number gives other last digits, and other pieces
_TOO_LARGE = re.compile(r"set it to a value <= (\d+)")
_TOO_SMALL = re.compile(r"smaller than required_chars\. \d+ vs (\d+)")


def of_corpus(folder: str, languages: tuple[str, str]) -> tuple[Tokenizer, Tokenizer]:
    """The source and the target tokenizer of a packed corpus, each for its language, on whichever side that is there.

    Raises CorpusError when `folder` is no corpus, SettingError when it has no pieces for one of the languages.
    """
    corpus = PackedCorpus.open(folder)
    source, target = corpus.tokenizers()
    if source is target:
        return source, target
    sides = dict(zip(corpus.languages, (source, target), strict=True))
    for language in languages:
        if language not in sides:
            raise SettingError(f"tokenizer.corpus={folder} has pieces of its own for {' and for '.join(sides)}, and "
                               f"none for {language}. Give a corpus of the same languages, or leave tokenizer.corpus "
                               "out.")
    return sides[languages[0]], sides[languages[1]]


def learn(lines: Callable[[], Iterator[str]], settings: TokenizerSettings,
          zero_width_spaces: bool = False) -> bytes:
    """A SentencePiece model of at most `settings.vocabulary` pieces; the same lines give the same bytes.

    `lines()` starts at the first line again, for another try with fewer pieces. `zero_width_spaces`: U+200B is text,
    for it separates words (text/languages.py). Raises SettingError when the characters alone are more than that.
    """
    size = settings.vocabulary
    while True:
        try:
            return _train(lines(), settings, size, zero_width_spaces)
        except RuntimeError as error:
            if found := _TOO_LARGE.search(str(error)):
                largest = int(found[1])
                size = largest if largest < size else size - 1
            elif found := _TOO_SMALL.search(str(error)):
                raise SettingError(
                    f"tokenizer.vocabulary={settings.vocabulary} is less than the characters of the text need "
                    f"({found[1]}). Give more, or tokenizer.coverage=0.9995 to leave the rarest out."
                ) from None
            else:
                raise CorpusError(f"SentencePiece can learn nothing from the training text ({str(error)[:200]!r}). "
                                  "Look at the text, or choose another tokenizer.kind.") from None


def _train(lines: Iterator[str], settings: TokenizerSettings, size: int, zero_width_spaces: bool) -> bytes:
    model = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder:
        rules = _write_rules(Path(folder), normalisation(ZERO_WIDTH_SPACE if zero_width_spaces else ""))
        _call(lines, settings, size, model, str(rules))
    proto = sentencepiece_model_pb2.ModelProto.FromString(model.getvalue())  # type: ignore[attr-defined]
    proto.normalizer_spec.normalization_rule_tsv = ""  # the name of a file that is gone, another one each time
    return proto.SerializeToString(deterministic=True)


def _write_rules(folder: Path, lines: Iterable[str]) -> Path:
    """The disk of temporary files may be another than that of the corpus: an error names the one that is full."""
    rules = folder / "rules.tsv"
    try:
        with writing(rules):
            rules.write_text("".join(lines), encoding="ascii")
    except UserError as error:
        raise UserError(f"{error} The environment variable TMPDIR names the folder for temporary files.") from None
    return rules


def _call(lines: Iterator[str], settings: TokenizerSettings, size: int, model: io.BytesIO, rules: str) -> None:
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=lines,
        model_writer=model,
        model_type=settings.kind.value,
        vocab_size=size,
        # Words and characters are what they are: fewer than asked for is no mistake of the person.
        hard_vocab_limit=settings.kind in (TokenizerKind.UNIGRAM, TokenizerKind.BPE),
        character_coverage=settings.coverage,
        byte_fallback=settings.byte_fallback,
        user_defined_symbols=settings.symbols,
        normalization_rule_tsv=rules,
        max_sentence_length=LONGEST,
        pad_id=PAD, unk_id=UNK, bos_id=BOS, eos_id=EOS,
        num_threads=THREADS,
        minloglevel=2,
    )


def normalisation(kept: str = "") -> Iterator[str]:
    """Rules as SentencePiece reads them, one a line: code points, tab, code points. Of NFC without Hangul.

    `kept`: an invisible character that is text all the same.
    """
    removed = invisible(kept)
    for code in range(1, 0x30000):  # no white space and no composed letter lies above
        letter = chr(code)
        if letter.isspace() and letter not in " \n":
            yield f"{code:X}\t20\n"
        elif removed.match(letter):
            yield f"{code:X}\t\n"
        elif 0xAC00 <= code <= 0xD7A3:
            continue
        elif (composed := unicodedata.normalize("NFC", letter)) != letter:
            yield _rule(letter, composed)
        elif (parts := unicodedata.normalize("NFD", letter)) != letter:
            yield _rule(parts, letter)


def _rule(before: str, after: str) -> str:
    left, right = (" ".join(f"{ord(letter):X}" for letter in text) for text in (before, after))
    return f"{left}\t{right}\n"
