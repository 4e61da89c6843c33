"""What each kind of subject does, and what can be done to each noun: verb pools by weight."""
from functools import cache
from random import Random

from data_prep.grammar import german, lexicon, pools, words
from data_prep.grammar import predicates as p
from data_prep.grammar.arguments import Pair, phrases, places
from data_prep.grammar.noun_phrases import Article, Phrase, nominal
from data_prep.grammar.predicates import Predicate, Tense

Share = tuple[float, list[Predicate]]


def mixed(*shares: Share) -> list[Predicate]:
    """One pool of several tables, each with its share and the frequent verbs first."""
    verbs, weights = [], []
    for share, table in shares:
        if table:
            verbs += table
            total = sum(pools.zipf(len(table)))
            weights += [share * weight / total for weight in pools.zipf(len(table))]
    return pools.pool(verbs, weights)


PERSON_VERBS = mixed((15, p.INTRANSITIVE), (6, p.PLACED), (10, p.MOTION), (34, p.TRANSITIVE), (6, p.DATIVE),
                     (8, p.DITRANSITIVE), (4, p.DITRANSITIVE_TO), (10, p.PREPOSITIONAL), (5, p.MOVING),
                     (8, p.linking("person")), (3, p.comparing("person", ("person",))))
# Infinitives leave out states: one does not try or plan to be in them.
INFINITIVES = mixed((12, p.INTRANSITIVE), (8, p.MOTION), (36, [verb for verb in p.TRANSITIVE if not verb.state]),
                    (6, [verb for verb in p.DATIVE if not verb.state]), (9, p.DITRANSITIVE),
                    (4, p.DITRANSITIVE_TO), (9, p.PREPOSITIONAL), (6, p.MOVING))
# What opens another clause.
EMBEDDING = mixed((45, p.SAYING), (18, p.TELLING), (12, p.ASKING), (30, p.TRYING))
ANIMAL_VERBS = mixed((25, p.ANIMAL["intransitive"]), (25, p.ANIMAL["motion"]), (30, p.ANIMAL["transitive"]),
                     (6, p.ANIMAL["dative"]), (10, p.linking("animal")), (4, p.comparing("animal", ("animal",))))


@cache
def group_names(noun: str) -> frozenset[str]:
    """All groups a noun belongs to."""
    names = [*lexicon.KINDS, *lexicon.SUBGROUPS, "place"]
    return frozenset(name for name in names if any(entry.singular == noun for entry in lexicon.members(name)))


@cache
def takers(noun: str) -> list[Predicate]:
    """The transitive verbs that may have this noun as object: for relative clauses on it."""
    fitting = [verb for verb in p.TRANSITIVE if group_names(noun) & set(verb.groups)]
    return pools.pool(fitting, pools.zipf(len(fitting)))


@cache
def linking_kind(kind: str) -> tuple[list[Predicate], list[Predicate]]:
    return p.linking(kind), p.comparing(kind, (kind,))


@cache
def inanimate(groups: frozenset[str], kind: str) -> list[Predicate]:
    """What happens to a thing: passives that fit, being somewhere, being so."""
    undergone = [verb for verb in p.PASSIVE if groups & set(verb.groups)]
    link, compare = linking_kind(lexicon.ADJECTIVE_KIND.get(kind, kind))
    movable = kind in ("thing", "text", "clothing", "food")
    return mixed((40, undergone), (22, link), (6, compare),
                 (12 if movable else 0, p.THING_PLACED), (3 if movable else 0, p.THING_INTRANSITIVE),
                 (12 if kind != "idea" else 0, p.THING_DATIVE), (8 if kind == "idea" else 0, p.IDEA_DATIVE),
                 (16 if "story" in groups else 0, p.STORY_TRANSITIVE))


@cache
def deeds(noun: str, kind: str) -> list[Predicate]:
    """The verb pool of a subject."""
    if kind == "person":
        return PERSON_VERBS
    return ANIMAL_VERBS if kind == "animal" else inanimate(group_names(noun), kind)


# Adverbials without time: manner, place, both, or mostly none. The first manners go with anything
# that one does, the others with work on something.
MANNERS: list[Pair] = [(f" {en}", f" {de}") for en, de in lexicon.table(words.MANNER)]
GENERAL_MANNERS = 8


def adjuncts(manners: list[Pair], manner: float, place: float, both: float = 0.0) -> list[Pair]:
    """Shares of each; the rest have none. Both languages say manner before place."""
    where = places(("inside", "inside", "goal"), False)
    weights = pools.zipf(len(manners))

    def draw(rng: Random) -> Pair:
        share = rng.random()
        how, place_pair = rng.choices(manners, weights)[0], rng.choice(where)
        if share < manner:
            return how
        if share < manner + place:
            return place_pair
        return (how[0] + place_pair[0], how[1] + place_pair[1]) if share < manner + place + both else ("", "")

    return pools.drawn(Random(f"adjuncts {len(manners)} {manner} {place} {both}"), draw)


FULL_ADJUNCTS = adjuncts(MANNERS[:GENERAL_MANNERS], 0.28, 0.32, 0.10)
LIGHT_ADJUNCTS = adjuncts(MANNERS, 0.10, 0.16, 0.02)
PLACE_ADJUNCTS = adjuncts(MANNERS, 0.0, 0.55)
for verb in [*p.INTRANSITIVE, *p.ANIMAL["intransitive"]]:
    if verb.english.base in p.UNWILLED:
        verb.adjuncts = PLACE_ADJUNCTS
PLACES = places(("inside", "goal"), False)

FREQUENCIES: list[Pair] = [(f" {en}", f" {de}") for en, de in lexicon.table(words.FREQUENCY)]


def times(tense_letter: str) -> list[Pair]:
    """Adverbials of time that go with a tense."""
    pairs = [(f" {en}", f" {de}") for en, de, letters in lexicon.table(words.TIMES) if tense_letter in letters]
    weights = pools.zipf(len(pairs))
    scale = sum(weights)

    def add(share: float, more: list[Pair]) -> None:
        pairs.extend(more)
        weights.extend([share * scale / len(more)] * len(more))

    if tense_letter != "X":
        add(0.25, [(f" on {en}", f" am {de}") for en, de in (day.split() for day in words.WEEKDAYS.split(", "))])
        add(0.2, [(f" in {en}", f" im {de}") for en, de in (month.split() for month in words.MONTHS.split(", "))])
        add(0.2, [(f" at {en} o'clock", f" um {de} Uhr") for en, de in
                  [("one", "ein"), *(words.number(hour) for hour in range(2, 13))]])
    spans = [(words.number(count), span.split()) for count in range(2, 11) for span in words.SPANS.split(", ")]
    if tense_letter == "P":
        add(0.15, [(f" {en} {many} ago", f" vor {de} {dative}") for (en, de), (many, dative) in spans])
    if tense_letter == "F":
        add(0.15, [(f" in {en} {many}", f" in {de} {dative}") for (en, de), (many, dative) in spans])
    return pools.pool(pairs, weights)


PAST_TIMES, PRESENT_TIMES, FUTURE_TIMES, PERFECT_TIMES = times("P"), times("N"), times("F"), times("X")
TIMES = {Tense.PRESENT: PRESENT_TIMES, Tense.PAST: PAST_TIMES, Tense.PERFECT: PERFECT_TIMES,
         Tense.PLUPERFECT: PERFECT_TIMES, Tense.COULD: PAST_TIMES, Tense.HAD_TO: PAST_TIMES,
         Tense.WANTED: PAST_TIMES}
TIMES_OF: list[list[Pair]] = [TIMES.get(tense, FUTURE_TIMES) for tense in Tense]


def tense_pool(**weights: float) -> list[int]:
    return pools.pool([int(Tense[name]) for name in weights], list(weights.values()))


# Frames of time: a sentence tells the present or the past. Indices: [past][negative].
ANIMATE_TENSES = [
    [tense_pool(PRESENT=50, PERFECT=9, FUTURE=10, CAN=6, MUST=5, HAS_TO=3, WANTS=7, MAY=3, SHOULD=5),
     tense_pool(PRESENT=50, PERFECT=10, FUTURE=10, CAN=9, HAS_TO=4, WANTS=7, SHOULD=4, MUST_NOT=4)],
    [tense_pool(PAST=80, COULD=6, HAD_TO=7, WANTED=7), tense_pool(PAST=72, COULD=14, HAD_TO=4, WANTED=10)],
]
INANIMATE_TENSES = [
    [tense_pool(PRESENT=60, PERFECT=18, FUTURE=12, MUST=5, SHOULD=5),
     tense_pool(PRESENT=66, PERFECT=20, FUTURE=14)],
    [tense_pool(PAST=100), tense_pool(PAST=100)],
]


def subjects(pronouns: float, persons: float, animals: float) -> list[Phrase]:
    """Subjects of clauses: persons above all, then animals and all sorts of things."""
    things = ("thing", "text", "idea", "vehicle", "openable", "place", "clothing", "food", "furniture", "machine")
    person_pool, animal_pool = phrases(("person",), pronouns), phrases(("animal",))
    thing_pool = phrases(things)

    def draw(rng: Random) -> Phrase:
        share = rng.random()
        return rng.choice(person_pool if share < persons else
                          animal_pool if share < persons + animals else thing_pool)

    return pools.drawn(Random(f"subjects {pronouns} {persons} {animals}"), draw)


ANIMATE = frozenset(("person", "animal"))
PLACE_KINDS = frozenset(("inside", "goal"))
RELATIVE_PLACE = {"inside": ("in", "in"), "goal": ("at", "an")}
SUBJECTS = subjects(pronouns=0.22, persons=0.72, animals=0.09)
INNER_SUBJECTS = subjects(pronouns=0.40, persons=0.80, animals=0.08)
ACTORS = phrases(("person",), 0.35)
STATIONARY = mixed((70, [verb for verb in p.INTRANSITIVE if verb.english.base in
                         ("work", "sleep", "sing", "dance", "cook", "play", "learn", "celebrate", "wait", "rest")]))
HELPING = mixed((1, p.DATIVE))
FREQUENCY = pools.pool(FREQUENCIES, pools.zipf(len(FREQUENCIES)))
SOMEONE = next(phrase for phrase in phrases(("person",)) if not phrase.pronoun)
INDIRECT = pools.pool([(" whether", ", ob"), (" why", ", warum"), (" when", ", wann"), (" how often", ", wie oft")],
                      [60, 25, 10, 5])
QUESTION_WORDS = pools.pool([(" why", " warum"), (" when", " wann"), (" how often", " wie oft")], [60, 25, 15])
JOINERS = pools.pool([(", and", ", und", False), (", but", ", aber", False), (", so", ", deshalb", True),
                      (", and then", ", und dann", True)], [45, 25, 18, 12])


def bare_owned() -> list[Phrase]:
    """What follows whose, dessen: a noun without article; the adjective would be strong."""
    bare = Article("", german.BARE, 1, "after", False)
    entries = [*lexicon.members("animal")[:6], *lexicon.KINDS["person"][10:24], *lexicon.KINDS["vehicle"][:4]]
    return pools.pool([nominal(bare, (), entry, False) for entry in entries], [1] * len(entries))


BELONGINGS = bare_owned()


def existing() -> list[Phrase]:
    """There is a ...: indefinite phrases."""
    pool = phrases(("animal", "person", "thing", "furniture"), 0.0)
    indefinite = [phrase for phrase in pool if phrase.relative and
                  (phrase.object.startswith((" a ", " an ", " many ")) or phrase.not_accusative.startswith(" nicht "))
                  and not phrase.object.startswith((" every", " all", " the"))]
    return pools.pool(indefinite, [1] * len(indefinite))


EXISTING = existing()
# conjunction, its German, tense inside, tense outside (-1: any of the sentence's time)
ADVERBIAL = [
    pools.pool([(" because", " weil", -1, -1), (" although", " obwohl", -1, -1), (" when", " wenn", 0, 0),
                (" if", " wenn", 0, -1), (" while", " während", 0, 0), (" before", " bevor", 0, 0),
                (" as soon as", " sobald", 0, 4), (" until", " bis", 0, 0), (" after", " nachdem", 2, 0)],
               [30, 14, 12, 12, 8, 7, 7, 4, 6]),
    pools.pool([(" because", " weil", -1, -1), (" although", " obwohl", -1, -1), (" when", " als", 1, 1),
                (" while", " während", 1, 1), (" before", " bevor", 1, 1),
                (" as soon as", " sobald", 1, 1), (" until", " bis", 1, 1), (" after", " nachdem", 3, 1)],
               [30, 14, 24, 8, 7, 5, 4, 10]),
]
