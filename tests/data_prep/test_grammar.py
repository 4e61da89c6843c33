"""The embedded corpus: German is right, follows from English, and the splits share nothing."""
import pickle
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from data_prep.grammar import german, lexicon, pools, words
from data_prep.grammar import predicates as p
from data_prep.grammar import repertoire as r
from data_prep.grammar.clauses import Clauses
from data_prep.grammar.noun_phrases import (
    OWNED,
    PERSONAL,
    PLURALS,
    SINGULARS,
    Article,
    Phrase,
    coordinated,
    named_owner,
    nominal,
)
from data_prep.grammar.predicates import Predicate, Tense
from data_prep.grammar.sentences import Sentences, finish
from data_prep.sources import grammar as source
from data_prep.sources.grammar import GrammarSource

ROOT = Path(__file__).resolve().parents[2]
ARTICLES = {article.english: article for article in [*SINGULARS, *OWNED]}
MANY_ARTICLES = {article.english: article for article in PLURALS}
ADJECTIVES = {adjective.english: adjective for adjective in lexicon.ADJECTIVES}
NOUNS = lexicon.SIMPLE | {entry.singular: entry for entry in lexicon.COMPOUNDS}


def phrase(text: str, plural: bool = False) -> Phrase:
    """"the old man" as a phrase; plural=True takes the noun's singular and the plural article."""
    first, *rest = text.split()
    articles = MANY_ARTICLES if plural else ARTICLES
    article = articles.get(first) or Article(first, german.quantity(dict(map(words.number, range(2, 101)))[first]),
                                             1, "before", True)
    adjectives = []
    while rest[0] in ADJECTIVES:
        adjectives.append(ADJECTIVES[rest.pop(0)])
    return nominal(article, tuple(adjectives), NOUNS[" ".join(rest)], plural)


def verb(base: str, table: list[Predicate], **arguments: object) -> Predicate:
    """A fresh copy of a verb, with its pools filled with one argument and no adverbials."""
    found = next(item for item in table if item.english.base == base)
    made = Predicate(found.frame, found.english, found.german, found.forms, found.objects, found.second, found.groups)
    made.adjuncts = p.NO_ADJUNCTS
    for name, argument in arguments.items():
        setattr(made, name, [argument] * pools.SIZE)
    return made


class Fixed(Clauses):
    """Clauses whose every draw is the last slot: affirmative, without time, nothing embedded."""

    def __init__(self) -> None:
        super().__init__(Random(0))
        self.bits = lambda count: (1 << count) - 1


def clause(subject: Phrase, predicate: Predicate, tense: Tense = Tense.PRESENT, negative: bool = False):
    return Fixed().conjugated(predicate, subject.row, tense, negative, False)


def orders(subject: Phrase, predicate: Predicate, tense: Tense = Tense.PRESENT,
           negative: bool = False) -> tuple[str, str, str]:
    """Main clause, with something in front, subordinate."""
    made = clause(subject, predicate, tense, negative)
    return (made.straight(subject.nominative).strip(), ("heute" + made.inverted(subject.nominative)).strip(),
            ("dass" + made.closing(subject.nominative)).strip())


def test_verb_second_and_verb_final_with_a_separable_verb():
    call = verb("call", p.TRANSITIVE, objects=phrase("the teacher"))
    assert orders(phrase("the woman"), call) == (
        "die Frau ruft den Lehrer an", "heute ruft die Frau den Lehrer an", "dass die Frau den Lehrer anruft")
    assert orders(phrase("the woman"), call, Tense.PERFECT) == (
        "die Frau hat den Lehrer angerufen", "heute hat die Frau den Lehrer angerufen",
        "dass die Frau den Lehrer angerufen hat")
    assert orders(phrase("the woman"), call, Tense.CAN)[::2] == (
        "die Frau kann den Lehrer anrufen", "dass die Frau den Lehrer anrufen kann")
    assert call.zu == " anzurufen"
    assert verb("open", p.TRANSITIVE).zu == " zu öffnen"


def test_english_takes_do_support_and_inverts_questions():
    see, boy = verb("see", p.TRANSITIVE, objects=phrase("a dog")), phrase("the boy")
    assert clause(boy, see).statement == " sees a dog"
    assert clause(boy, see, negative=True).statement == " does not see a dog"
    assert clause(boy, see, Tense.PAST, negative=True).statement == " did not see a dog"
    assert clause(boy, see, Tense.CAN, negative=True).statement == " cannot see a dog"
    asked = clause(boy, see, Tense.PAST)
    assert f"{asked.aux}{boy.subject}{asked.question}" == " did the boy see a dog"
    asked = clause(boy, see, Tense.FUTURE)
    assert f"{asked.aux}{boy.subject}{asked.question}" == " will the boy see a dog"


@pytest.mark.parametrize(("thing", "expected"), [
    (phrase("a dog"), "der Junge sieht keinen Hund"),
    (phrase("the dog"), "der Junge sieht den Hund nicht"),
    (phrase("many dog", plural=True), "der Junge sieht nicht viele Hunde"),
    (PERSONAL[3], "der Junge sieht sie nicht"),
])
def test_negation(thing: Phrase, expected: str):
    assert orders(phrase("the boy"), verb("see", p.TRANSITIVE, objects=thing), negative=True)[0] == expected


def test_nicht_stands_before_places_and_prepositional_objects():
    live = verb("live", p.PLACED, second=(" in the house", " im Haus"))
    assert orders(phrase("the boy"), live, negative=True)[2] == "dass der Junge nicht im Haus wohnt"
    wait = verb("wait", p.PREPOSITIONAL)
    bus = next(item for item in wait.objects if item.english == " for the bus")
    wait.objects = [bus] * pools.SIZE
    assert orders(phrase("the boy"), wait, negative=True)[0] == "der Junge wartet nicht auf den Bus"


def test_dative_before_accusative_and_pronouns_first():
    give = verb("give", p.DITRANSITIVE, objects=phrase("the man"), second=phrase("a book"))
    assert clause(phrase("the woman"), give).statement == " gives the man a book"
    assert orders(phrase("the woman"), give)[0] == "die Frau gibt dem Mann ein Buch"
    explain = verb("explain", p.DITRANSITIVE_TO, objects=PERSONAL[5], second=phrase("the plan"))
    assert clause(phrase("the woman"), explain).statement == " explains the plan to them"
    assert orders(phrase("the woman"), explain, Tense.PAST)[0] == "die Frau erklärte ihnen den Plan"


def test_perfect_with_sein_and_with_haben():
    assert orders(phrase("the man"), verb("get up", p.INTRANSITIVE), Tense.PERFECT)[::2] == (
        "der Mann ist aufgestanden", "dass der Mann aufgestanden ist")
    assert orders(phrase("the man"), verb("sleep", p.INTRANSITIVE), Tense.PLUPERFECT)[0] == (
        "der Mann hatte geschlafen")
    go = verb("go", p.MOTION, second=(" into the house", " ins Haus"))
    assert orders(PERSONAL[4], go, Tense.PERFECT)[1] == "heute sind wir ins Haus gegangen"


def test_reflexive_pronouns_follow_the_subject():
    hurry = verb("hurry", p.INTRANSITIVE)
    assert [orders(subject, hurry)[0] for subject in PERSONAL] == [
        "ich beeile mich", "du beeilst dich", "er beeilt sich", "sie beeilt sich", "wir beeilen uns",
        "sie beeilen sich"]


def test_two_predicates_of_one_subject():
    woman = phrase("the woman")
    made = Fixed()
    first = clause(woman, verb("call", p.TRANSITIVE, objects=phrase("a friend")))
    second = clause(woman, verb("get up", p.INTRANSITIVE))
    both = made.both(first, second)
    assert both.statement == " calls a friend and gets up"
    assert both.straight(" sie") == " sie ruft einen Freund an und steht auf"
    assert both.closing(" sie") == " sie einen Freund anruft und aufsteht"


def test_infinitives_with_zu(monkeypatch):
    for predicate, english, expected in [
        (verb("invite", p.TRANSITIVE, objects=phrase("the guest")), " invite the guest", " den Gast einzuladen"),
        (verb("help", p.DATIVE, objects=PERSONAL[3]), " help her", " ihr zu helfen"),
        (verb("hurry", p.INTRANSITIVE), " hurry", " uns zu beeilen"),
    ]:
        monkeypatch.setattr(r, "INFINITIVES", [predicate] * pools.SIZE)
        assert Fixed().infinitive(row=3) == (english, expected)
        assert orders(PERSONAL[4], verb("try", p.TRYING), Tense.PERFECT)[2] == (
            f"dass wir versucht haben,{expected}")


def test_an_adverbial_clause_takes_the_first_place(monkeypatch):
    made = Sentences(Random(0))
    made.bits = lambda count: (1 << count) - 2 if count == 1 else (1 << count) - 1
    made.budget = 1
    monkeypatch.setattr(r, "ADVERBIAL", [[(" because", " weil", 0, 0)] * pools.SIZE] * 2)
    monkeypatch.setattr(r, "SUBJECTS", [phrase("the man")] * pools.SIZE)
    monkeypatch.setattr(r, "INNER_SUBJECTS", [phrase("the woman")] * pools.SIZE)
    monkeypatch.setattr(r, "PERSON_VERBS", [verb("get up", p.INTRANSITIVE)] * pools.SIZE)
    assert made.main() == (" because the woman gets up, the man gets up",
                           " weil die Frau aufsteht, steht der Mann auf")


def test_passive():
    opened = verb("open", p.PASSIVE, objects=(" by the man", " vom Mann"))
    assert clause(phrase("the door"), opened, Tense.PERFECT).statement == " has been opened by the man"
    assert orders(phrase("the door"), opened)[::2] == (
        "die Tür wird vom Mann geöffnet", "dass die Tür vom Mann geöffnet wird")
    assert orders(phrase("the door"), opened, Tense.PERFECT)[2] == "dass die Tür vom Mann geöffnet worden ist"
    assert orders(phrase("the door"), opened, Tense.MUST)[0] == "die Tür muss vom Mann geöffnet werden"


@pytest.mark.parametrize(("text", "plural", "cases"), [
    ("the old man", False, " der alte Mann| den alten Mann| dem alten Mann"),
    ("a new car", False, " ein neues Auto| ein neues Auto| einem neuen Auto"),
    ("my clever sister", False, " meine kluge Schwester| meine kluge Schwester| meiner klugen Schwester"),
    ("the young student", False, " der junge Student| den jungen Studenten| dem jungen Studenten"),
    ("the teacher", False, " der Lehrer| den Lehrer| dem Lehrer"),
    ("three small child", True, " drei kleine Kinder| drei kleine Kinder| drei kleinen Kindern"),
    ("these child", True, " diese Kinder| diese Kinder| diesen Kindern"),
    ("many tired guest", True, " viele müde Gäste| viele müde Gäste| vielen müden Gästen"),
    ("twenty-one house", True,
     " einundzwanzig Häuser| einundzwanzig Häuser| einundzwanzig Häusern"),
    ("a dark kitchen table", False,
     " ein dunkler Küchentisch| einen dunklen Küchentisch| einem dunklen Küchentisch"),
    ("the expensive winter coat", True,
     " die teuren Wintermäntel| die teuren Wintermäntel| den teuren Wintermänteln"),
])
def test_declension(text: str, plural: bool, cases: str):
    made = phrase(text, plural)
    assert "|".join((made.nominative, made.accusative, made.dative)) == cases


def test_genitive_and_strong_adjective_after_a_name():
    assert german.decline(german.THE, ("alt",), lexicon.SIMPLE["boy"].german, False)[3] == "des alten Jungen"
    assert german.decline(german.THE, (), lexicon.SIMPLE["thought"].german, False)[1::2] == (
        "den Gedanken", "des Gedankens")
    assert german.decline(german.THE, (), lexicon.SIMPLE["house"].german, False)[3] == "des Hauses"
    owned = named_owner("Anna", (ADJECTIVES["old"],), NOUNS["dog"], False)
    assert (owned.subject, owned.nominative, owned.dative) == (
        " Anna's old dog", " Annas alter Hund", " Annas altem Hund")


@pytest.mark.parametrize(("preposition", "phrase_", "expected"), [
    ("in", "dem Garten", "im Garten"), ("in", "das alte Haus", "ins alte Haus"), ("zu", "der Schule", "zur Schule"),
    ("zu", "dem Bahnhof", "zum Bahnhof"), ("von", "dem Mann", "vom Mann"), ("in", "den Garten", "in den Garten"),
    ("in", "einem Garten", "in einem Garten"), ("auf", "dem Tisch", "auf dem Tisch"), ("mit", "ihm", "mit ihm"),
])
def test_prepositions_draw_in_the_article(preposition: str, phrase_: str, expected: str):
    assert german.prepositional(preposition, phrase_) == expected


def test_relative_pronouns_take_gender_from_the_head_and_case_from_the_clause(monkeypatch):
    made = Fixed()
    monkeypatch.setattr(r, "ACTORS", [phrase("the woman")] * pools.SIZE)
    see, help_ = verb("see", p.TRANSITIVE), verb("help", p.DATIVE)
    monkeypatch.setattr(made, "tense", lambda animate, negative: Tense.PERFECT)
    made.bits = lambda count: 1 if count == 3 else (1 << count) - 1       # affirmative
    woman = phrase("the woman")
    for text, plural, case, predicate, expected in [
        ("the man", False, 1, see, ", den die Frau gesehen hat"),
        ("the child", False, 1, see, ", das die Frau gesehen hat"),
        ("the man", False, 2, help_, ", dem die Frau geholfen hat"),
        ("the man", True, 2, help_, ", denen die Frau geholfen hat"),
        ("the sister", False, 2, help_, ", der die Frau geholfen hat"),
    ]:
        head = phrase(text, plural)
        pronoun = f", {german.RELATIVE[head.relative][case]}"
        assert made.gap(head, woman, " whom", pronoun, [predicate] * pools.SIZE)[1] == expected


def test_subordinate_clause_in_front_and_commas_that_meet():
    assert finish(" when he sleeps, the dog that plays waits", " wenn er schläft, wartet der Hund, der spielt,") == (
        "When he sleeps, the dog that plays waits.", "Wenn er schläft, wartet der Hund, der spielt.")
    assert finish(" a b c", " der Mann, der schläft,, weil er lacht")[1] == "Der Mann, der schläft, weil er lacht."


def test_coordination_is_plural():
    both = coordinated([phrase("the man"), phrase("the woman"), phrase("my dog")])
    assert both.subject == " the man, the woman and my dog"
    assert both.dative == " dem Mann, der Frau und meinem Hund"
    assert orders(both, verb("sleep", p.INTRANSITIVE))[0] == "der Mann, die Frau und mein Hund schlafen"


@pytest.mark.parametrize(("parts", "du", "er", "preterite", "participle"), [
    ("arbeiten", "arbeitest", "arbeitet", "arbeitete", "gearbeitet"),
    ("öffnen", "öffnest", "öffnet", "öffnete", "geöffnet"),
    ("lernen", "lernst", "lernt", "lernte", "gelernt"),
    ("reparieren", "reparierst", "repariert", "reparierte", "repariert"),
    ("besuchen", "besuchst", "besucht", "besuchte", "besucht"),
    ("auf+räumen", "räumst", "räumt", "räumte", "aufgeräumt"),
    ("vor+bereiten", "bereitest", "bereitet", "bereitete", "vorbereitet"),
    ("tanzen", "tanzt", "tanzt", "tanzte", "getanzt"),
    ("essen isst aß gegessen", "isst", "isst", "aß", "gegessen"),
    ("ein+laden lädt lud geladen", "lädst", "lädt", "lud", "eingeladen"),
    ("sehen sieht sah gesehen", "siehst", "sieht", "sah", "gesehen"),
    ("verraten verrät verriet verraten", "verrätst", "verrät", "verriet", "verraten"),
])
def test_conjugation(parts: str, du: str, er: str, preterite: str, participle: str):
    made = german.verb(parts)
    assert (made.present[1], made.present[2], made.preterite[2], made.participle) == (du, er, preterite, participle)


@pytest.mark.parametrize(("number", "english", "german_"), [
    (2, "two", "zwei"), (12, "twelve", "zwölf"), (16, "sixteen", "sechzehn"), (17, "seventeen", "siebzehn"),
    (21, "twenty-one", "einundzwanzig"), (30, "thirty", "dreißig"), (76, "seventy-six", "sechsundsiebzig"),
])
def test_numbers(number: int, english: str, german_: str):
    assert words.number(number) == (english, german_)


def test_every_noun_agrees_with_its_article():
    """The article shows the gender, weak nouns end in -n, the dative plural in -n or -s."""
    for entry in NOUNS.values():
        noun = entry.german
        assert noun.gender in "mfn"
        singular = german.decline(german.THE, (), noun, False)
        assert singular[0].split()[0] == {"m": "der", "f": "die", "n": "das"}[noun.gender]
        assert all(form[0].isupper() for form in noun.singular)
        assert (noun.singular[0] == noun.singular[3]) == (noun.gender == "f"), entry
        if noun.gender != "f" and noun.singular[1] == noun.singular[0]:
            assert noun.singular[3].endswith("s"), entry
        if noun.plural:
            assert noun.plural[2][-1] in "ns", entry
            assert noun.plural[0] == noun.plural[3]


def test_no_english_word_has_two_entries():
    """A word with two translations would make German a matter of chance."""
    nouns = [form for entry in NOUNS.values() for form in {entry.singular, entry.plural}]
    assert len(nouns) == len(set(nouns))
    adjectives = [adjective.english for adjective in lexicon.ADJECTIVES]
    assert len(adjectives) == len(set(adjectives))
    assert len(lexicon.SIMPLE) > 200
    for table in (p.INTRANSITIVE, p.TRANSITIVE, p.DATIVE, p.PLACED, p.MOTION):
        assert len({item.english.base for item in table}) == len(table)
        for item in table:       # the tense has to show
            assert item.english.past != item.english.base


@pytest.fixture(scope="module")
def train() -> tuple[list[str], list[str]]:
    return corpus(GrammarSource(train=20_000, valid=0, test=0, seed=5), "train")


def corpus(made: GrammarSource, split: str, shards: int = 1) -> tuple[list[str], list[str]]:
    sources: list[str] = []
    targets: list[str] = []
    for shard in made.shards(split, shards):
        for batch in pickle.loads(pickle.dumps(shard))():
            assert len(batch[0]) == len(batch[1]) <= source.BATCH_LINES
            sources += batch[0]
            targets += batch[1]
    return sources, targets


def test_same_seed_same_corpus_for_any_number_of_shards(monkeypatch):
    monkeypatch.setattr(source, "BATCH_LINES", 100)
    made = GrammarSource(train=730, valid=120, test=50, seed=1)
    whole = corpus(made, "train", 1)
    assert len(whole[0]) == len(whole[1]) == 730
    assert whole[0][:100] != whole[0][100:200]        # blocks differ
    for count in (2, 3, 8, 100):
        assert len(made.shards("train", count)) <= count
        assert corpus(made, "train", count) == whole
    assert corpus(made, "valid", 4) == corpus(made, "valid", 1)
    assert corpus(GrammarSource(train=730, valid=1, test=1, seed=2), "train") != whole


def test_a_block_does_not_depend_on_what_its_process_drew_before():
    draw = ("import sys; from data_prep.sources.grammar import Limits\n"
            "for index in sys.argv[1:]: block = Limits(1, 60).block('train', int(index), 600, None)\n"
            "print(block)")
    alone, later = [subprocess.run([sys.executable, "-c", draw, *blocks], cwd=ROOT, check=True,
                                   capture_output=True).stdout for blocks in (["1"], ["0", "1"])]
    assert len(alone) > 600 * 40
    assert later == alone


def test_splits_share_no_sentence_on_either_side(train):
    made = GrammarSource(train=0, valid=400, test=400, seed=5)
    assert made.splits() == ("valid", "test")
    valid, test = corpus(made, "valid"), corpus(made, "test")
    for side in (0, 1):
        assert len(set(valid[side])) == len(set(test[side])) == 400
        assert not set(train[side]) & set(valid[side])
        assert not set(train[side]) & set(test[side])
        assert not set(valid[side]) & set(test[side])


def test_lengths_have_a_tail(train):
    lengths = [len(line.split()) for line in train[0]]
    assert min(lengths) >= 3
    assert max(lengths) <= 60
    assert max(len(line.split()) for line in train[1]) <= 60
    assert 10.5 < sum(lengths) / len(lengths) < 13.5
    assert 0.03 < sum(length > 25 for length in lengths) / len(lengths) < 0.08
    assert 0.004 < sum(length > 40 for length in lengths) / len(lengths) < 0.02
    assert max(len(line.split()) for line in corpus(
        GrammarSource(train=300, valid=0, test=0, seed=1, max_words=12), "train")[0]) <= 12


def test_one_english_sentence_has_one_german_translation():
    sentences = Sentences(Random(9))
    translations: dict[str, str] = {}
    for _ in range(50_000):
        english, target = sentences.draw()
        assert translations.setdefault(english, target) == target


def test_sentences_are_well_formed(train):
    for english, target in zip(*train, strict=True):
        for line in (english, target):
            assert line[0].isupper()
            assert line[-1] in ".?"
            assert line == " ".join(line.split())
            assert not any(pair in line for pair in (",,", ",.", ",?", " ,", " ."))
        assert english[-1] == target[-1]


def test_fingerprint_names_the_input():
    prints = [GrammarSource(train=10, valid=1, test=1, seed=seed).fingerprint() for seed in (1, 1, 2)]
    assert prints[0] == prints[1] != prints[2]
    assert len(prints[0]["grammar"]) == 64


def test_mistakes_name_the_setting():
    with pytest.raises(ValueError, match="valid=-1"):
        GrammarSource(train=1, valid=-1, test=1, seed=1)
    with pytest.raises(ValueError, match="max_words=3"):
        GrammarSource(train=1, valid=1, test=1, seed=1, max_words=3)
