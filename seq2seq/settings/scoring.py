"""What BLEU counts."""

from __future__ import annotations

import dataclasses
import enum

from seq2seq.errors import SettingError
from seq2seq.settings.fields import option
from seq2seq.settings.search import SearchSettings


class Tokenize(enum.Enum):
    """The tokens of BLEU, by sacreBLEU's names; of all that work without a download."""

    AUTO = "auto"          # by the target language and its text (seq2seq/scoring_units.py)
    WORDS = "13a"          # words and punctuation, for languages with spaces
    UNICODE = "intl"       # the same by the Unicode classes of characters
    CHINESE = "zh"         # Han characters one by one, the rest as 13a
    JAPANESE = "ja-mecab"  # needs sacrebleu[ja]
    KOREAN = "ko-mecab"    # needs sacrebleu[ko]
    CHARACTERS = "char"
    NONE = "none"          # what stands between spaces, for text in tokens


@dataclasses.dataclass(kw_only=True)
class ScoringSettings:
    tokenize: Tokenize = option(Tokenize.AUTO, "what BLEU counts")

    def check_mbr(self, search: SearchSettings) -> None:
        """Of translation: raises SettingError for tokens that nothing would count."""
        if self.tokenize is not Tokenize.AUTO and not search.mbr:
            raise SettingError(f"scoring.tokenize={self.tokenize.value} is what search.mbr compares candidates by, and "
                               "with search.mbr=0 none are compared. Choose scoring.tokenize=auto, or search.mbr=5.")
