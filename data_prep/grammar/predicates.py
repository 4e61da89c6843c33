"""Verbs in both languages and all tenses, with the pools that their arguments come from.

A `Form` is one tense and person, English and German side by side; all its strings open with a
space or are empty. `frame` names how the arguments are placed (see clauses.py).
"""
from dataclasses import dataclass, field
from enum import IntEnum
from random import Random
from typing import Any, NamedTuple

from data_prep.grammar import english, german, lexicon, pools
from data_prep.grammar import verbs as tables
from data_prep.grammar.arguments import Pair, agents, governed, phrases, places
from data_prep.grammar.noun_phrases import HIM


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
    denial: str       # subject + denial + rest: does not, cannot
    aux: str          # aux + subject + rest
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
    return [[form(en_forms[row], de[row]) for row in range(5)] for en_forms, de in table]


def form(en: english.English, de: german.German) -> Form:
    denial = " cannot" if en.aux == " can" else f"{en.aux} not"
    return Form(en.pre, en.post, denial, en.aux, en.rest, f" {de.finite}", de.tail, f" {de.final}")


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


STATES = {"be", "seem", "look", "know", "love", "need", "belong to", "please", "miss", "trust", "interest"}
# Verbs that take neither a manner nor a place of their own.
NO_MANNER = {"forget", "lose", "understand", "leave", "call", "recognize", "miss", "mention", "find", "hear",
             "admire", "avoid", "disappear", "hurry", "surprise", "annoy", "convince", "frighten", "invite", "fetch",
             "order", "see"}
# Verbs without manner: one does not arrive carefully, or sleep in a hurry.
UNWILLED = {"sleep", "fall asleep", "wake up", "arrive", "return", "get lost", "sit down", "rest", "get up"}
NO_ADJUNCTS: list[Pair] = [("", "")] * pools.SIZE


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
        # States are not tied to an hour, and nobody may, must or wants to be in them.
        self.state = self.english.base in STATES and self.frame != "passive"
        self.adjuncts = NO_ADJUNCTS if self.state or self.english.base in NO_MANNER else None


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
    sits = verb.english.base == "sit"
    verb.second = places(("inside", "goal", "seat", "seat") if sits else ("inside", "inside", "goal"), False)
for verb in THING_PLACED:
    verb.second = places(("inside", "furniture", "furniture"), False)
for verb in MOTION + ANIMAL["motion"]:
    verb.second = places(("inside", "goal"), True)
for verb in MOVING:
    things = verb.english.base in ("place", "throw", "push")
    verb.second = places(("inside", "furniture") if things else ("inside", "goal"), True)


# What one becomes, looks and seems.
PASSING = {"old", "tired", "strong", "sick", "happy", "hungry", "sad", "rich", "poor", "famous", "quiet", "brave",
           "lazy", "wild", "dangerous", "friendly", "polite"}


def linking(kind: str) -> list[Predicate]:
    """to be with an adjective of this kind: is old, wird müde, is older than the teacher."""
    adjectives = lexicon.adjectives_for(kind)
    plain = [(f" {adjective.english}", f" {adjective.predicate}") for adjective in adjectives]
    made = []
    for line in predicates("linking", tables.LINKING):
        passing = [pair for pair in plain if pair[0][1:] in PASSING]
        fitting = plain if line.english.base == "be" else passing if kind in ("person", "animal") else []
        if fitting:
            line.objects = pools.pool(fitting, pools.zipf(len(fitting)))
            made.append(line)
    return made


def comparing(kind: str, groups: tuple[str, ...]) -> list[Predicate]:
    """is older than the teacher, ist älter als der Lehrer: the nominative after "als"."""
    adjectives = [adjective for adjective in lexicon.adjectives_for(kind) if adjective.comparative]
    graded, others = pools.pool(adjectives, pools.zipf(len(adjectives))), phrases(groups)

    def draw(rng: Random) -> Pair:
        adjective, other = graded[rng.getrandbits(pools.BITS)], others[rng.getrandbits(pools.BITS)]
        other = HIM if other.near else other
        if rng.random() < 0.3:
            return f" as {adjective.english} as{other.object}", f" so {adjective.predicate} wie{other.nominative}"
        return f" {adjective.comparative} than{other.object}", f" {adjective.german_comparative} als{other.nominative}"

    be = predicates("linking", tables.LINKING)[0]
    be.objects = pools.drawn(Random(f"comparing {kind} {' '.join(groups)}"), draw)
    return [be]
