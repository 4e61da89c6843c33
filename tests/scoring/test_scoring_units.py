"""What BLEU counts in ten scripts, what is refused, and that text which looks the same scores the same."""

from __future__ import annotations

import importlib.util
import unicodedata

import pytest
from sacrebleu.metrics.bleu import BLEU

from seq2seq import scoring_units
from seq2seq.errors import SettingError
from seq2seq.inference.minimum_bayes_risk import expected_bleu
from seq2seq.scoring import (
    CHARACTERS,
    WORDS,
    Units,
    bleu,
    bleu_by_length,
    bleu_of_papers,
    chrf,
    compare,
    length_ratio,
    sentence_bleu,
)
from seq2seq.scoring_units import asked_or_trained, check_moses, checked_tokenizer, length_unit, tokenizer_for
from seq2seq.settings.scoring import Tokenize
from seq2seq.text.languages import base_language, writes_spaces
from seq2seq.text.normalization import normalized

# Of each language: its code, what BLEU counts without further packages, two references, two translations that are near.
SCRIPTS = {
    "Chinese": ("zh", "zh", ["今天天气很好，我们去公园散步吧。", "这本书是我昨天在图书馆借的。"],
                ["今天天气很好，我们去公园走走吧。", "这本书是我昨天从图书馆借来的。"]),
    "Japanese": ("ja", "char", ["私は昨日図書館でこの本を借りました。", "今日は天気がとても良いです。"],
                 ["私は昨日図書館でこの本を借りた。", "今日は天気がとても良い。"]),
    "Korean": ("ko", "char", ["나는 어제 도서관에서 이 책을 빌렸습니다.", "오늘은 날씨가 매우 좋습니다."],
               ["나는 어제 도서관에서 이 책을 빌렸다.", "오늘은 날씨가 아주 좋습니다."]),
    "Thai": ("th", "char", ["วันนี้อากาศดีมากเราไปเดินเล่นกันเถอะ", "ฉันยืมหนังสือเล่มนี้จากห้องสมุด"],
             ["วันนี้อากาศดีเราไปเดินเล่นกันเถอะ", "ฉันยืมหนังสือนี้จากห้องสมุด"]),
    "Khmer": ("km", "char", ["ថ្ងៃនេះ\u200bអាកាសធាតុ\u200bល្អ\u200bណាស់", "ខ្ញុំ\u200bខ្ចី\u200bសៀវភៅ\u200bនេះ"],
              ["ថ្ងៃនេះអាកាសធាតុល្អ", "ខ្ញុំខ្ចីសៀវភៅ"]),
    "Lao": ("lo", "char", ["ມື້ນີ້ອາກາດດີຫຼາຍ", "ຂ້ອຍຢືມປຶ້ມຫົວນີ້"], ["ມື້ນີ້ອາກາດດີ", "ຂ້ອຍຢືມປຶ້ມນີ້"]),
    "Burmese": ("my", "char", ["ဒီနေ့ရာသီဥတုသာယာတယ်။", "ဒီစာအုပ်ကိုမနေ့ကငှားခဲ့တယ်။"],
                ["ဒီနေ့ရာသီဥတုကောင်းတယ်။", "ဒီစာအုပ်ကိုမနေ့ကငှားတယ်။"]),
    "Tibetan": ("bo", "char", ["དེ་རིང་གནམ་གཤིས་ཡག་པོ་འདུག", "ངས་དཔེ་ཆ་འདི་གཡར་པ་ཡིན།"],
                ["དེ་རིང་གནམ་གཤིས་ཡག་པོ་རེད།", "ངས་དཔེ་ཆ་གཡར་པ་ཡིན།"]),
    "Arabic": ("ar", "13a", ["الطقس جميل جدا اليوم في المدينة.", "استعرت هذا الكتاب من المكتبة أمس."],
               ["الطقس جميل جدا اليوم هنا.", "استعرت هذا الكتاب من المكتبة."]),
    "Hindi": ("hi", "13a", ["आज मौसम बहुत अच्छा है और धूप है।", "मैंने कल यह किताब पुस्तकालय से ली थी।"],
              ["आज मौसम बहुत अच्छा है।", "मैंने कल यह किताब पुस्तकालय से ली।"]),
    "German": ("de", "13a", ["Ein Mann fährt mit dem Rad die Straße hinunter.", "Zwei Hunde spielen im tiefen Schnee."],
               ["Ein Mann fährt auf dem Rad die Straße hinunter.", "Zwei Hunde spielen im tiefen, weißen Schnee."]),
}


@pytest.fixture(autouse=True)
def without_mecab(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring_units, "_is_installed", lambda asked: asked not in scoring_units._PACKAGES)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_perfect_translation_scores_100_and_a_near_one_nearly(name: str) -> None:
    language, tokenize, references, near = SCRIPTS[name]
    assert checked_tokenizer(language, references, Tokenize.AUTO, "test") == tokenize
    perfect, good = (bleu(texts, references, 0, tokenize) for texts in (references, near))
    assert perfect.value == pytest.approx(100) and 25 < good.value < 95
    assert f"|tok:{tokenize}|" in good.signature
    assert all(20 < value < 100 for value in sentence_bleu(near, references, tokenize))
    assert length_ratio(references, references, tokenize) == 1
    assert compare(references, near, references, 100, tokenize).value == pytest.approx(100)


@pytest.mark.parametrize("name", SCRIPTS)
def test_minimum_risk_takes_the_one_that_others_agree_with(name: str) -> None:
    _, tokenize, (text, other), near = SCRIPTS[name]
    expected = expected_bleu([other, near[0], text, text[:-2]], [0.25] * 4, tokenize)
    assert min(expected) == expected[0] and max(expected) > 40


def test_languages_with_spaces_score_to_the_digit_as_sacrebleu_does() -> None:
    for name in ("German", "Arabic", "Hindi"):
        language, _, references, near = SCRIPTS[name]
        found, plain = bleu(near, references, 0, tokenizer_for(language, references)), BLEU()
        assert found.value == plain.corpus_score(near, [references]).score
        assert found.signature == str(plain.get_signature())


@pytest.mark.parametrize(("code", "base"), [
    ("zh-CN", "zh"), ("zh_Hant", "zh"), ("zho_Hans", "zh"), ("cmn", "zh"), ("yue", "zh"), ("JPN", "ja"), ("kor", "ko"),
    ("khm_Khmr", "km"), ("mya", "my"), ("bod", "bo"), ("en", "en"), ("deu", "deu"), ("zha", "zha"),
])
def test_codes_of_a_language(code: str, base: str) -> None:
    assert base_language(code) == base


def test_text_without_spaces_is_known_by_its_words_whatever_the_code_says() -> None:
    for name in ("Chinese", "Japanese", "Thai", "Lao", "Burmese"):
        assert tokenizer_for("target", SCRIPTS[name][2]) == "char", name
    for name in ("Korean", "Arabic", "Hindi", "German"):
        assert tokenizer_for("target", SCRIPTS[name][2]) == "13a", name
    assert tokenizer_for("smiles", ["CC(=O)OC1=CC=CC=C1C(=O)O", "CN1C=NC2=C1C(=O)N(C(=O)N2C)C"]) == "char"
    # Cut into words by a program, and the longest words that there are with spaces.
    assert tokenizer_for("target", ["今天 天气 很 好 ， 我们 去 公园 。", "这 本 书"]) == "13a"
    assert tokenizer_for("kl", ["Aliikkusersuillammassuaanerartassagaluarpaalli naalagaaffinngorneq",
                                "Qujanaq ilinnut."]) == "13a"
    assert writes_spaces("x", [])


def test_what_a_person_asks_for_is_taken_or_refused_in_one_line() -> None:
    references = SCRIPTS["German"][2]
    for asked in (Tokenize.CHARACTERS, Tokenize.CHINESE, Tokenize.UNICODE, Tokenize.NONE):
        assert checked_tokenizer("de", references, asked, "test") == asked.value
    for asked, extra in ((Tokenize.JAPANESE, "ja"), (Tokenize.KOREAN, "ko")):
        with pytest.raises(SettingError) as caught:
            checked_tokenizer("de", references, asked, "test")
        assert str(caught.value) == (
            f"scoring.tokenize={asked.value} needs a package that is not installed. Install it, pip install "
            f"\"sacrebleu[{extra}]\", or choose scoring.tokenize=char.")
    assert asked_or_trained(Tokenize.AUTO, Tokenize.CHARACTERS) is Tokenize.CHARACTERS
    assert asked_or_trained(Tokenize.WORDS, Tokenize.CHARACTERS) is Tokenize.WORDS
    with pytest.raises(SettingError, match="sacrebleu.ja."):
        asked_or_trained(Tokenize.AUTO, Tokenize.JAPANESE)


def test_japanese_and_korean_count_words_where_mecab_is_installed(monkeypatch, caplog) -> None:
    caplog.set_level("INFO")
    assert checked_tokenizer("jpn", SCRIPTS["Japanese"][2], Tokenize.AUTO, "test") == "char"
    assert caplog.messages == ["BLEU counts characters (tok:char), for ja-mecab needs a package: pip install "
                               "\"sacrebleu[ja]\""]
    monkeypatch.undo()
    monkeypatch.setattr(importlib.util, "find_spec", lambda module: module)
    assert tokenizer_for("ja", []) == "ja-mecab" and tokenizer_for("ko-KR", []) == "ko-mecab"
    monkeypatch.setattr(importlib.util, "find_spec", lambda module: None if module == "ipadic" else module)
    assert tokenizer_for("ja", []) == "char" and tokenizer_for("ko", []) == "ko-mecab"


def test_references_that_cannot_score_100_are_refused_with_the_cure(caplog) -> None:
    caplog.set_level("INFO")
    words = ["Guten Morgen!", "Haus", "ja"]
    with pytest.raises(SettingError) as caught:
        checked_tokenizer("de", words, Tokenize.WORDS, "valid")
    assert str(caught.value) == ("scoring.tokenize=13a: the references of valid would score 0 against themselves, for "
                                 "none has 4 such tokens. Choose scoring.tokenize=char.")
    assert caplog.messages == []
    assert checked_tokenizer("de", words, Tokenize.AUTO, "valid") == "char"
    assert caplog.messages == ["valid: no reference has 4 words, so BLEU counts characters (tok:char)"]
    assert bleu(words, words, 0, "char").value == pytest.approx(100)


def test_empty_and_short_references_refuse_no_corpus(caplog) -> None:
    ordinary = ["", "Ja.", *SCRIPTS["German"][2], " "]
    assert checked_tokenizer("de", ordinary, Tokenize.WORDS, "valid") == tokenizer_for("de", ordinary) == "13a"
    assert caplog.messages == []
    for asked in (Tokenize.AUTO, Tokenize.CHARACTERS, Tokenize.WORDS):
        for nothing in ([], ["", "ja"]):
            caplog.clear()
            checked_tokenizer("de", nothing, asked, "valid")
            assert [message.split(": ")[1] for message in caplog.messages] == [
                "no reference has 4 characters, so BLEU is 0 whatever the translations are. Look at chrF2 and the "
                "perplexity (training.best_by=perplexity)"]


def test_papers_score_needs_words_that_moses_finds() -> None:
    for name in ("German", "Korean", "Hindi", "Arabic"):
        check_moses(SCRIPTS[name][0], SCRIPTS[name][2], "test")
    for language, references in (("th", SCRIPTS["Thai"][2]), ("zh", SCRIPTS["Chinese"][2]), ("de", ["Guten Morgen!"])):
        with pytest.raises(SettingError, match=r"^papers=true: Moses finds hardly a word in the references of test, "):
            check_moses(language, references, "test")


def test_lengths_are_characters_where_the_source_has_no_spaces() -> None:
    assert length_unit("zh", SCRIPTS["Chinese"][2]) == length_unit("source", SCRIPTS["Khmer"][2]) == CHARACTERS
    assert length_unit("de", SCRIPTS["German"][2]) == length_unit("ko", SCRIPTS["Korean"][2]) == WORDS
    sources = ["字" * 10, "字" * 11, "字 字" * 12, "ខ\u200b" * 10, "字" * 200]
    buckets = bleu_by_length(sources, ["x y z w"] * 5, ["x y z w"] * 5, Units("13a", CHARACTERS))
    assert [(one.name, one.sentences, one.unit) for one in buckets] == [
        ("0-10", 2, CHARACTERS), ("11-20", 1, CHARACTERS), ("21-30", 1, CHARACTERS), ("151+", 1, CHARACTERS)]


# The same text in other code points.
FORMS = {
    "NFD": lambda line: unicodedata.normalize("NFD", line),
    "half composed": lambda line: line.replace("ế", "ê\u0301").replace("ậ", "â\u0323"),
    "zero-width spaces": lambda line: line.replace("a", "a\u200b"),
    "soft hyphens": lambda line: line.replace("h", "h\u00ad"),
    "direction marks": lambda line: f"\u200f{line}\u202c",
    "invisible before the accent": lambda line: unicodedata.normalize("NFD", line).replace("\u0301", "\u200b\u0301"),
}
VIETNAMESE = ["Hôm nay thời tiết thật là đẹp.", "Tôi mượn cuốn sách này ở thư viện đến thứ ba, rất lâu."]
GUESS = ["Hôm nay thời tiết đẹp.", "Tôi mượn cuốn sách này ở thư viện đến thứ tư, rất lâu."]


@pytest.mark.parametrize("form", FORMS)
def test_text_that_looks_the_same_scores_the_same(form: str) -> None:
    other = [FORMS[form](line) for line in VIETNAMESE]
    assert other != VIETNAMESE and normalized(other) == VIETNAMESE
    for wanted, given in ((VIETNAMESE, GUESS), (other, GUESS), (VIETNAMESE, list(map(FORMS[form], GUESS)))):
        for tokenize in ("13a", "char"):
            assert bleu(given, wanted, 0, tokenize) == bleu(GUESS, VIETNAMESE, 0, tokenize)
            assert sentence_bleu(given, wanted, tokenize) == sentence_bleu(GUESS, VIETNAMESE, tokenize)
            assert length_ratio(given, wanted, tokenize) == length_ratio(GUESS, VIETNAMESE, tokenize)
        assert bleu(given, wanted, 100) == bleu(GUESS, VIETNAMESE, 100)
        assert chrf(given, wanted, 0) == chrf(GUESS, VIETNAMESE, 0)
        assert bleu_of_papers(given, wanted, "vi", 0) == bleu_of_papers(GUESS, VIETNAMESE, "vi", 0)
        assert compare(given, wanted, wanted, 100) == compare(GUESS, VIETNAMESE, VIETNAMESE, 100)
        assert bleu_by_length(given, given, wanted) == bleu_by_length(GUESS, GUESS, VIETNAMESE)
    assert expected_bleu([VIETNAMESE[0], other[0]], [0.5, 0.5]) == pytest.approx([100, 100])


def test_nukta_and_joiners() -> None:
    # U+0958 is excluded from composition: NFC is two code points. A joiner is text.
    assert normalized(["\u0958\u0932\u092e"]) == ["\u0915\u093c\u0932\u092e"]
    assert normalized(["می\u200cخواهم"]) == ["می\u200cخواهم"]


def test_a_person_is_warned_of_references_in_another_form(caplog) -> None:
    checked_tokenizer("vi", VIETNAMESE, Tokenize.AUTO, "news.vi")
    checked_tokenizer("km", SCRIPTS["Khmer"][2], Tokenize.AUTO, "news.km")  # U+200B is usual there
    assert caplog.messages == []
    checked_tokenizer("vi", [FORMS["NFD"](VIETNAMESE[0]), *VIETNAMESE], Tokenize.AUTO, "news.vi")
    assert caplog.messages == [
        "news.vi: 1 of 3 references are in another Unicode form or hold invisible characters: scores compare them, and "
        "the model's answers, composed (NFC) and without these"]
