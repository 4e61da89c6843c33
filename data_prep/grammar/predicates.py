"""Verbs in both languages and all tenses, with the pools that their arguments come from.

A `Form` is one tense and person, English and German side by side; all its strings open with a
space or are empty. `frame` names how the arguments are placed (see clauses.py).
"""
from dataclasses import dataclass, field
from enum import IntEnum
from functools import lru_cache
from random import Random
from typing import Any, NamedTuple

from data_prep.grammar import english, german, lexicon, pools
from data_prep.grammar import verbs as tables
from data_prep.grammar.noun_phrases import HIM, PLAIN, Chooser, Phrase

Pair = tuple[str, str]


class Tense(IntEnum):
    PRESENT = 0
    PAST = 1
    PERFECT = 2
    PLUPERFECT = 3
    FUTURE = 4
    CAN = 5
    MUST = 6          # affirmative only: its negation is MUST_NOT
    HAS_TO = 7        # negated: does not have to, muss nicht
    WANTS = 8
    MAY = 9           # affirmative only
    SHOULD = 10
    COULD = 11
    HAD_TO = 12
    WANTED = 13
    MUST_NOT = 14     # negated only: darf nicht


class Form(NamedTuple):
    pre: str          # English: subject + pre + [often] + post
    post: str
    aux: str          # subject + aux + [not] + rest; aux + subject + rest
    rest: str
    finite: str       # German: second in a main clause
    tail: str         # closes a main clause
    final: str        # closes a subordinate clause


def conjugate(en: english.Verb, simple: list[tuple[german.German, ...]], infinitive: str,
              have: list[tuple[english.English, ...]] | None = None,
              present: tuple[english.English, ...] | None = None,
              past: tuple[english.English, ...] | None = None) -> list[list[Form]]:
    """All tenses. `simple` holds the German present, preterite, perfect and pluperfect."""
    english_simple = [present or en.present_forms(), past or en.past_forms(),
                      en.with_auxiliary(english.HAVE, en.participle),
                      en.with_auxiliary((" had",) * 5, en.participle)]
    table = list(zip(english_simple, simple, strict=True))
    modal = german.MODALS

    def add(auxiliary: tuple[str, ...], english_forms: tuple[english.English, ...]) -> None:
        table.append((english_forms, german.cluster(auxiliary, infinitive)))

    def bare(word: str) -> tuple[english.English, ...]:
        return en.with_auxiliary((f" {word}",) * 5, en.base)

    add(german.WERDEN, bare("will"))
    add(modal["kann"], bare("can"))
    add(modal["muss"], bare("must"))
    add(modal["muss"], en.governed("has to", "have to"))
    add(modal["will"], en.governed("wants to", "want to"))
    add(modal["darf"], bare("may"))
    add(modal["sollte"], bare("should"))
    add(modal["konnte"], bare("could"))
    add(modal["musste"], en.governed("", "have to", "had to"))
    add(modal["wollte"], en.governed("", "want to", "wanted to"))
    add(modal["darf"], bare("must"))
    return [[Form(*en_forms[row], f" {de[row].finite}", de[row].tail, f" {de[row].final}") for row in range(5)]
            for en_forms, de in table]


def active(en: english.Verb, de: german.Verb) -> list[list[Form]]:
    simple = [de.simple(de.present), de.simple(de.preterite), de.perfect(), de.perfect(pluperfect=True)]
    return conjugate(en, simple, de.whole)


def passive(en: english.Verb, de: german.Verb) -> list[list[Form]]:
    """is opened, wird geöffnet; has been opened, ist geöffnet worden."""
    done = de.participle
    simple = [german.cluster(german.WERDEN, done), german.cluster(german.WURDE, done),
              german.cluster(german.SEIN, f"{done} worden"), german.cluster(german.WAR, f"{done} worden")]
    particle = f" {en.participle}"
    verb = english.Verb(f"be {en.participle}", "", f"been {en.participle}")
    return conjugate(verb, simple, f"{done} werden",
                     present=tuple(english.English(be, particle, be, particle) for be in english.BE),
                     past=tuple(english.English(was, particle, was, particle) for was in english.WAS))


@dataclass(eq=False)
class Predicate:
    """A verb with its frame; pools are shared lists of pools.SIZE members."""

    frame: str
    english: english.Verb
    german: german.Verb
    forms: list[list[Form]]
    objects: list[Any] = field(default_factory=list)       # Phrases, or (pair, phrase) of a preposition
    second: list[Any] = field(default_factory=list)        # directions, or the ditransitive's things
    groups: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.base = f" {self.english.base}"
        self.zu = f" {self.german.zu}"
        self.reflexive = german.REFLEXIVE if self.german.reflexive else ("",) * 5


class Governed(NamedTuple):
    """A phrase under a preposition."""

    english: str
    german: str
    phrase: Phrase


CHOOSER = Chooser(seed=0)


def entries_of(groups: tuple[str, ...]) -> list[lexicon.Entry]:
    return [entry for group in groups for entry in lexicon.members(group)]


@lru_cache(maxsize=None)
def group_phrases(group: str, pronouns: float) -> list[Phrase]:
    """Phrases of one group; persons may be pronouns or names."""
    if group == "person":
        return pools.drawn(CHOOSER.rng, lambda rng: CHOOSER.person(pronouns))
    return pools.drawn(CHOOSER.rng, lambda rng: CHOOSER.thing(group))


@lru_cache(maxsize=None)
def phrases(groups: tuple[str, ...], pronouns: float = 0.25) -> list[Phrase]:
    """Objects from these groups, each with the same share."""
    shares = [group_phrases(group, pronouns) for group in groups]
    return [shares[slot % len(shares)][slot] for slot in range(pools.SIZE)]


@lru_cache(maxsize=None)
def governed(en: str, de: str, case: str, groups: tuple[str, ...]) -> list[Governed]:
    """Under a preposition; "-" is an English verb that takes its object without one."""
    lead = "" if en == "-" else f" {en}"
    made = []
    for phrase in phrases(groups):
        if phrase.near:
            phrase = HIM
        form = phrase.accusative if case == "acc" else phrase.dative
        made.append(Governed(lead + phrase.object, f" {german.prepositional(de, form[1:])}", phrase))
    return made


# English and German prepositions: where, and where to. German tells them apart by case where both
# are one preposition: im Garten, in den Garten.
WHERE = {"inside": [("in", "in", 8)], "goal": [("at", "an", 5), ("in front of", "vor", 1)],
         "furniture": [("on", "auf", 3), ("under", "unter", 1), ("next to", "neben", 1), ("behind", "hinter", 1)]}
BUILDINGS = [("behind", "hinter", 1), ("in front of", "vor", 1), ("next to", "neben", 1)]
WHITHER = {"inside": [("into", "in", 8)], "goal": [("to", "zu", 5)],
           "furniture": [("onto", "auf", 3), ("under", "unter", 1), ("next to", "neben", 1), ("behind", "hinter", 1)]}


@lru_cache(maxsize=None)
def places(kinds: tuple[str, ...], whither: bool) -> list[Pair]:
    """Places as (English, German) adverbials: one is in them, or with `whither` goes to them."""
    def draw(rng: Random) -> Pair:
        kind = rng.choice(kinds)
        table = (WHITHER if whither else WHERE)[kind]
        if kind == "inside" and rng.random() < 0.12:
            table = BUILDINGS
        en, de, _ = rng.choices(table, [weight for *_, weight in table])[0]
        phrase = CHOOSER.noun(kind, PLAIN)
        form = phrase.accusative if whither and de != "zu" else phrase.dative
        return f" {en}{phrase.object}", f" {german.prepositional(de, form[1:])}"
    return pools.drawn(CHOOSER.rng, draw)


def predicates(frame: str, text: str) -> list[Predicate]:
    """The lines of a table of verbs.py, with pools for their arguments."""
    made = []
    for line in text.strip().splitlines():
        en_parts, de_parts, *arguments = (part.strip() for part in line.split("|"))
        en, de = english.verb(en_parts), german.verb(de_parts)
        predicate = Predicate(frame, en, de, active(en, de), groups=tuple(arguments[-1].split()) if arguments else ())
        if frame == "prepositional":
            predicate.objects = governed(*arguments[0].split(), predicate.groups)   # type: ignore[arg-type]
        elif predicate.groups:
            predicate.objects = phrases(predicate.groups)
        if frame in ("ditransitive", "ditransitive_to"):
            predicate.second, predicate.objects = predicate.objects, phrases(("person",))
        made.append(predicate)
    return made


def agents() -> list[Pair]:
    """by the man, vom Mann; mostly left out."""
    def draw(rng: Random) -> Pair:
        if rng.random() < 0.45:
            return "", ""
        phrase = CHOOSER.person(0.1)
        return f" by{phrase.object}", f" {german.prepositional('von', phrase.dative[1:])}"
    return pools.drawn(CHOOSER.rng, draw)


def passives(actives: list[Predicate]) -> list[Predicate]:
    by = agents()
    return [Predicate("passive", verb.english, verb.german, passive(verb.english, verb.german), objects=by,
                      groups=verb.groups)
            for verb in actives if verb.english.base not in NO_PASSIVE]


# Grammatical, but not said.
NO_PASSIVE = {"know", "need", "lose", "wear", "hear", "love", "forget", "miss", "try on", "drive", "want"}

INTRANSITIVE = predicates("intransitive", tables.INTRANSITIVE)
TRANSITIVE = predicates("transitive", tables.TRANSITIVE)
PASSIVE = passives(TRANSITIVE)
PLACED = predicates("placed", tables.PLACED)
MOTION = predicates("motion", tables.MOTION)
DATIVE = predicates("dative", tables.DATIVE)
DITRANSITIVE = predicates("ditransitive", tables.DITRANSITIVE)
DITRANSITIVE_TO = predicates("ditransitive_to", tables.DITRANSITIVE_TO)
PREPOSITIONAL = predicates("prepositional", tables.PREPOSITIONAL)
MOVING = predicates("moving", tables.MOVING)
SAYING = predicates("saying", tables.SAYING)
TELLING = predicates("telling", tables.TELLING)
ASKING = predicates("asking", tables.ASKING)
TRYING = predicates("trying", tables.TRYING)
ANIMAL = {"intransitive": predicates("intransitive", tables.ANIMAL_INTRANSITIVE),
          "motion": predicates("motion", tables.ANIMAL_MOTION),
          "transitive": predicates("transitive", tables.ANIMAL_TRANSITIVE),
          "dative": predicates("dative", tables.ANIMAL_DATIVE)}
THING_INTRANSITIVE = predicates("intransitive", tables.THING_INTRANSITIVE)
THING_PLACED = predicates("placed", tables.THING_PLACED)
THING_DATIVE = predicates("dative", tables.THING_DATIVE)
IDEA_DATIVE = predicates("dative", tables.IDEA_DATIVE)
STORY_TRANSITIVE = predicates("transitive", tables.STORY_TRANSITIVE)

for verb in TELLING:
    verb.objects = phrases(("person",))
for verb in PLACED:
    verb.second = places(("inside", "inside", "goal", "furniture"), False)
for verb in THING_PLACED:
    verb.second = places(("inside", "furniture", "furniture"), False)
for verb in MOTION + ANIMAL["motion"]:
    verb.second = places(("inside", "goal"), True)
for verb in MOVING:
    verb.second = places(("inside", "goal", "furniture") if "person" not in verb.groups else ("inside", "goal"), True)


def linking(kind: str) -> list[Predicate]:
    """to be with an adjective of this kind: is old, wird müde, is older than the teacher."""
    adjectives = lexicon.adjectives_for(kind)
    plain = [(f" {adjective.english}", f" {adjective.predicate}") for adjective in adjectives]
    made = []
    for line in predicates("linking", tables.LINKING):
        if kind in ("person", "animal") or line.english.base == "be":
            line.objects = pools.pool(plain, pools.zipf(len(plain)))
            made.append(line)
    return made


def comparing(kind: str, groups: tuple[str, ...]) -> list[Predicate]:
    """is older than the teacher, ist älter als der Lehrer: the nominative after "als"."""
    graded = [adjective for adjective in lexicon.adjectives_for(kind) if adjective.comparative]
    others = phrases(groups)

    def draw(rng: Random) -> Pair:
        adjective, other = rng.choices(graded, pools.zipf(len(graded)))[0], rng.choice(others)
        other = HIM if other.near else other
        if rng.random() < 0.3:
            return f" as {adjective.english} as{other.object}", f" so {adjective.predicate} wie{other.nominative}"
        return f" {adjective.comparative} than{other.object}", f" {adjective.german_comparative} als{other.nominative}"

    be = predicates("linking", tables.LINKING)[0]
    be.objects = pools.drawn(CHOOSER.rng, draw)
    return [be]
