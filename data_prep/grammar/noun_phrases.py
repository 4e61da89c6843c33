"""Noun phrases in both languages, ready for every place in a sentence.

A `Phrase` holds its cases as strings that open with a space. A pool of phrases is drawn once, when it
is first asked for, from a seed that names the pool: the language is the same for every corpus and in
every process, whatever was drawn before.
"""
from functools import cache
from random import Random
from typing import NamedTuple, TypeVar

from data_prep.grammar import english, german, lexicon, pools, words
from data_prep.grammar.german import BARE, MANY, NO, THE, A, Determiner
from data_prep.grammar.lexicon import Adjective, Entry

Item = TypeVar("Item")
I, YOU, SINGULAR, WE, PLURAL = range(5)          # rows of the verb tables


class Phrase(NamedTuple):
    """A noun phrase. English has one form for subjects and one for objects, German its cases."""

    subject: str
    object: str
    nominative: str
    accusative: str
    dative: str
    not_accusative: str   # in a negated clause: kein Haus, das Haus nicht, nicht viele Häuser
    not_dative: str
    row: int              # of the verb tables
    relative: str         # column of the relative pronouns; "" where no relative clause may follow
    head: str             # the English noun: what may happen to it
    kind: str
    pronoun: bool         # pronouns stand before the times in the middle field
    near: bool            # me, you, us: no object of the first and second persons


class Article(NamedTuple):
    english: str
    german: Determiner
    weight: float
    negation: str         # "no": kein replaces it; "after": nicht follows; "before": nicht precedes
    open: bool            # may a restrictive relative clause follow?


POSSESSIVES = [("my", "mein"), ("your", "dein"), ("his", "sein"), ("her", "ihr"), ("our", "unser"),
               ("their", "ihr")]
OWNED = tuple(Article(en, german.ein_word(de), 3, "after", False) for en, de in POSSESSIVES)
SINGULARS = (Article("the", THE, 44, "after", True), Article("a", A, 24, "no", True),
             Article("this", german.der_word("dies"), 5, "after", True),
             Article("every", german.der_word("jed"), 3, "before", True), *OWNED)
PLURALS = (Article("the", THE, 40, "after", True), Article("", BARE, 14, "no", True),
           Article("these", german.der_word("dies"), 5, "after", True),
           Article("many", MANY, 6, "before", True),
           Article("all the", german.der_word("all"), 4, "before", True), *OWNED)
MASS = (Article("the", THE, 50, "after", True), Article("", BARE, 40, "no", True), *OWNED)
OWNERS = (SINGULARS[0]._replace(weight=20), *OWNED)
WHICH = Article("which", german.der_word("welch"), 1, "after", False)
LISTED = (Article("the", THE, 30, "after", True), *OWNED)
PLAIN = (Article("the", THE, 60, "after", True), Article("a", A, 22, "no", True), *OWNED)   # for places

# Small numbers are frequent, all up to a hundred occur.
NUMBERS = [Article(words.number(n)[0], german.quantity(words.number(n)[1]), 1, "before", True)
           for n in range(2, 101)]
NUMBER_WEIGHTS = [1 / (n - 1) if n < 13 else 1 / 80 for n in range(2, 101)]

PRONOUNS = [("I", "me", "ich", "mich", "mir", I), ("you", "you", "du", "dich", "dir", YOU),
            ("he", "him", "er", "ihn", "ihm", SINGULAR), ("she", "her", "sie", "sie", "ihr", SINGULAR),
            ("we", "us", "wir", "uns", "uns", WE), ("they", "them", "sie", "sie", "ihnen", PLURAL)]


def negated(phrase: str, without: str, how: str) -> str:
    if how == "no":
        return without
    return f"{phrase} nicht" if how == "after" else f" nicht{phrase}"


def stems(adjectives: tuple[Adjective, ...]) -> tuple[str, ...]:
    return tuple(adjective.stem for adjective in adjectives)


@cache
def nominal(article: Article, adjectives: tuple[Adjective, ...], entry: Entry, plural: bool) -> Phrase:
    """article + adjectives + noun."""
    english_words = [adjective.english for adjective in adjectives] + [entry.plural if plural else entry.singular]
    name = " ".join(english_words)
    name = english.article(name) if article.english == "a" else f"{article.english} {name}".strip()
    forms = german.decline(article.german, stems(adjectives), entry.german, plural)
    without = german.decline(NO, stems(adjectives), entry.german, plural) if article.negation == "no" else forms
    nominative, accusative, dative = (f" {form}" for form in forms[:3])
    return Phrase(
        subject=f" {name}", object=f" {name}", nominative=nominative, accusative=accusative, dative=dative,
        not_accusative=negated(accusative, f" {without[1]}", article.negation),
        not_dative=negated(dative, f" {without[2]}", article.negation),
        row=PLURAL if plural else SINGULAR,
        relative=entry.german.column(plural) if article.open else "",
        head=entry.singular, kind=entry.kind, pronoun=False, near=False)


def pronoun(subject: str, object_: str, nominative: str, accusative: str, dative: str, row: int) -> Phrase:
    return Phrase(f" {subject}", f" {object_}", f" {nominative}", f" {accusative}", f" {dative}",
                  f" {accusative} nicht", f" {dative} nicht", row, "", "man", "person", True,
                  row in (I, YOU, WE))


def named(name: str) -> Phrase:
    text = f" {name}"
    return Phrase(text, text, text, text, text, f"{text} nicht", f"{text} nicht", SINGULAR, "", "man", "person",
                  False, False)


def coordinated(phrases: list[Phrase]) -> Phrase:
    """A, B and C: a plural. "nicht" follows the whole."""
    def listed(forms: list[str], conjunction: str) -> str:
        return ",".join(forms[:-1]) + f" {conjunction}" + forms[-1]

    accusative = listed([phrase.accusative for phrase in phrases], "und")
    dative = listed([phrase.dative for phrase in phrases], "und")
    return Phrase(listed([phrase.subject for phrase in phrases], "and"),
                  listed([phrase.object for phrase in phrases], "and"),
                  listed([phrase.nominative for phrase in phrases], "und"), accusative, dative,
                  f"{accusative} nicht", f"{dative} nicht", PLURAL, "", phrases[0].head, phrases[0].kind, False, False)


def possessed(owner: Phrase, owner_genitive: str, thing: Phrase) -> Phrase:
    """the teacher's dog: der Hund des Lehrers; German puts the owner last."""
    def with_owner(form: str) -> str:
        return f"{form} {owner_genitive}"

    name = owner.subject + "'s" + thing.subject.removeprefix(" the")
    if owner.subject.endswith("s") and owner.row == PLURAL:
        name = owner.subject + "'" + thing.subject.removeprefix(" the")
    accusative, dative = with_owner(thing.accusative), with_owner(thing.dative)
    return thing._replace(subject=name, object=name, nominative=with_owner(thing.nominative),
                          accusative=accusative, dative=dative, not_accusative=f"{accusative} nicht",
                          not_dative=f"{dative} nicht", relative="")


def named_owner(name: str, adjectives: tuple[Adjective, ...], entry: Entry, plural: bool) -> Phrase:
    """Anna's old dog: Annas alter Hund; after a genitive the adjective is strong."""
    return nominal(Article(f"{name}'s", german.quantity(f"{name}s"), 1, "after", False), adjectives, entry, plural)


@cache
def entry_pool(group: str) -> list[Entry]:
    entries = lexicon.members(group)
    return pools.pool(entries, pools.zipf(len(entries)))


@cache
def adjective_pool(kind: str) -> list[Adjective]:
    adjectives = lexicon.adjectives_for(kind)
    return pools.pool(adjectives, pools.zipf(len(adjectives))) if adjectives else []


@cache
def article_pool(articles: tuple[Article, ...]) -> list[Article]:
    return pools.pool(articles, [article.weight for article in articles])


NUMBER_POOL = pools.pool(NUMBERS, NUMBER_WEIGHTS)


class Chooser:
    """Draws phrases by weight; used while pools are filled, not while sentences are made."""

    def __init__(self, seed: str) -> None:
        self.rng = Random(seed)

    def one(self, pool: list[Item]) -> Item:
        return pool[self.rng.getrandbits(pools.BITS)]

    def article(self, entry: Entry, plural: bool, articles: tuple[Article, ...] | None) -> Article:
        if plural and self.rng.random() < 0.13:
            return self.one(NUMBER_POOL)
        return self.one(article_pool(articles or (PLURALS if plural else SINGULARS if entry.countable else MASS)))

    def adjectives(self, kind: str) -> tuple[Adjective, ...]:
        fitting = adjective_pool(kind)
        share = self.rng.random()
        if share > 0.28 or not fitting:
            return ()
        first, second = self.one(fitting), self.one(fitting)
        return (first, second) if share < 0.03 and first is not second else (first,)

    def noun(self, group: str, articles: tuple[Article, ...] | None = None, plurals: float = 0.3) -> Phrase:
        entry = self.one(entry_pool(group))
        plural = articles is None and entry.countable and self.rng.random() < plurals
        adjectives = self.adjectives(entry.adjective_kind)
        return nominal(self.article(entry, plural, articles), adjectives, entry, plural)

    def owned(self, group: str) -> Phrase:
        """With a name or a person as owner."""
        entry = self.one(entry_pool(group))
        plural = entry.countable and self.rng.random() < 0.25
        adjectives = self.adjectives(entry.adjective_kind)
        if self.rng.random() < 0.35:
            return named_owner(self.rng.choice(lexicon.NAMES)[0], adjectives, entry, plural)
        owner = self.one(entry_pool("person"))
        article = self.one(article_pool(OWNERS))
        genitive = german.decline(article.german, (), owner.german, False)[3]
        return possessed(nominal(article, (), owner, False), genitive,
                         nominal(SINGULARS[0], adjectives, entry, plural))

    def thing(self, group: str) -> Phrase:
        """Any phrase with a noun as head: plain, owned, or a list."""
        share = self.rng.random()
        if share < 0.06:
            return self.owned(group)
        if share < 0.12:
            count = 2 if share < 0.10 else 3
            listed = [self.noun(group, LISTED) for _ in range(count)]
            if len({phrase.head for phrase in listed}) == count:
                return coordinated(listed)
        return self.noun(group)

    def person(self, pronouns: float) -> Phrase:
        share = self.rng.random()
        if share < pronouns:
            return self.rng.choice(PERSONAL)
        if share < pronouns + 0.08:
            return named(self.rng.choice(lexicon.NAMES)[0])
        return self.thing("person")


PERSONAL = [pronoun(*line) for line in PRONOUNS]
HIM, WHO = PERSONAL[2], pronoun("who", "whom", "wer", "wen", "wem", SINGULAR)

