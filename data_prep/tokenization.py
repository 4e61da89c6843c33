"""Learning the pieces: SentencePiece on a sample of the training text.

Text is not normalised here: cleaning has done it, and nfkc (SentencePiece's default) would turn
"½" into "1/2" and "…" into "...", so that decode(encode(x)) were no longer x. Runs of white space
at translation time do become one space.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator

import sentencepiece

from seq2seq.errors import SettingError
from seq2seq.settings.prepare import TokenizerKind, TokenizerSettings
from seq2seq.tokenizer import BOS, EOS, PAD, UNK

LONGEST = 1 << 20  # bytes of a line that pieces are learnt from
THREADS = 4        # SentencePiece sums over threads: another number gives other last digits, and other pieces
_TOO_LARGE = re.compile(r"set it to a value <= (\d+)")
_TOO_SMALL = re.compile(r"smaller than required_chars\. \d+ vs (\d+)")


def learn(lines: Callable[[], Iterator[str]], settings: TokenizerSettings) -> bytes:
    """A SentencePiece model of at most `settings.vocabulary` pieces; the same lines give the same bytes.

    `lines()` starts at the first line again, for another try with fewer pieces. Raises SettingError
    when the characters alone are more than that.
    """
    size = settings.vocabulary
    while True:
        try:
            return _train(lines(), settings, size)
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
                raise


def _train(lines: Iterator[str], settings: TokenizerSettings, size: int) -> bytes:
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=lines,
        model_writer=model,
        model_type=settings.kind.value,
        vocab_size=size,
        # Words and characters are what they are: fewer than asked for is no mistake of the person.
        hard_vocab_limit=settings.kind in (TokenizerKind.UNIGRAM, TokenizerKind.BPE),
        character_coverage=settings.coverage,
        byte_fallback=settings.byte_fallback,
        normalization_rule_name="identity",
        max_sentence_length=LONGEST,
        pad_id=PAD, unk_id=UNK, bos_id=BOS, eos_id=EOS,
        num_threads=THREADS,
        minloglevel=2,
    )
    return model.getvalue()
