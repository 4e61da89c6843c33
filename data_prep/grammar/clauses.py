"""Clauses: a subject, a predicate and the order of words that each language gives them.

English keeps one order, subject - verb - objects - manner - place - time. German fills fields:

    main clause          first | FINITE | subject  pronouns  times  objects  nicht  manner  place | TAIL
    subordinate clause   dass  |        | subject  pronouns  times  objects  nicht  manner  place | TAIL FINITE

The tail holds what closes the clause (a separable prefix, a participle, infinitives). A relative
clause or an object clause follows the tail ("after"), unless it belongs to the subject.

So that one English sentence has one reading, nothing follows an embedded clause in the same
clause: what follows it always belongs to the innermost one.
"""
from collections.abc import Callable
from random import Random
from typing import NamedTuple

from data_prep.grammar import german, pools
from data_prep.grammar import repertoire as r
from data_prep.grammar.noun_phrases import HIM, PLURAL, SINGULAR, Phrase
from data_prep.grammar.predicates import Governed, Pair, Predicate, Tense, phrases

BITS = pools.BITS
THIRD = (SINGULAR, PLURAL)
RELATIVE = {column: tuple(f", {form}" for form in forms) for column, forms in german.RELATIVE.items()}
NOBODY: Pair = ("", "")


class Arguments(NamedTuple):
    """What a verb takes with it; `body` and `rest` hold the German negation."""

    english: str
    pronouns: str      # German, before the times
    body: str          # objects, after the times
    rest: str          # manner, place, prepositional objects, predicate adjectives
    after: str         # an embedded clause, after the tail


class Clause(NamedTuple):
    """A predicate in both languages, without its subject."""

    statement: str     # English, after the subject
    aux: str           # questions: aux + subject + question
    question: str
    finite: str        # German: finite + [subject] + middle + tail + after
    middle: str
    tail: str
    final: str         # verb-final: middle + final + after
    after: str


class Clauses:
    """Draws clauses. `budget` counts the clauses that may still be embedded in the sentence."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.bits: Callable[[int], int] = rng.getrandbits
        self.budget = 0
        self.past = False

    # Frames: how a verb's arguments stand. Each returns an Arguments tuple.

    def intransitive(self, verb: Predicate, row: int, negative: bool) -> tuple[str, str, str, str, str]:
        en, de = r.FULL_ADJUNCTS[self.bits(BITS)]
        return en, verb.reflexive[row], "", f" nicht{de}" if negative else de, ""

    def placed(self, verb: Predicate, row: int, negative: bool) -> tuple[str, str, str, str, str]:
        """A place or a direction, which "nicht" precedes."""
        en, de = verb.second[self.bits(BITS)]
        return en, verb.reflexive[row], "", f" nicht{de}" if negative else de, ""

    def transitive(self, verb: Predicate, row: int, negative: bool) -> tuple[str, str, str, str, str]:
        phrase: Phrase = verb.objects[self.bits(BITS)]
        if phrase.near and row not in THIRD:
            phrase = HIM
        if self.budget and phrase.relative and not negative and self.bits(2):
            en, de = self.relative(phrase)
            return phrase.object + en, "", phrase.accusative, "", de
        en, de = r.LIGHT_ADJUNCTS[self.bits(BITS)]
        if phrase.pronoun:
            return phrase.object + en, phrase.accusative, "", f" nicht{de}" if negative else de, ""
        return phrase.object + en, "", phrase.not_accusative if negative else phrase.accusative, de, ""

    def dative(self, verb: Predicate, row: int, negative: bool) -> tuple[str, str, str, str, str]:
        phrase: Phrase = verb.objects[self.bits(BITS)]
        if phrase.near and row not in THIRD:
            phrase = HIM
        if self.budget and phrase.relative and not negative and self.bits(2):
            en, de = self.relative(phrase)
            return phrase.object + en, "", phrase.dative, "", de
        en, de = r.LIGHT_ADJUNCTS[self.bits(BITS)]
        if phrase.pronoun:
            return phrase.object + en, phrase.dative, "", f" nicht{de}" if negative else de, ""
        return phrase.object + en, "", phrase.not_dative if negative else phrase.dative, de, ""

    def ditransitive(self, verb: Predicate, row: int, negative: bool) -> tuple[str, str, str, str, str]:
        """The dative stands before the accusative: gibt der Frau das Buch."""
        person: Phrase = verb.objects[self.bits(BITS)]
        thing: Phrase = verb.second[self.bits(BITS)]
        if person.near and row not in THIRD:
            person = HIM
        pronouns, first = (person.dative, "") if person.pronoun else ("", person.dative)
        if self.budget and thing.relative and not negative and self.bits(2):
            en, de = self.relative(thing)
            return person.object + thing.object + en, pronouns, first + thing.accusative, "", de
        second = thing.not_accusative if negative else thing.accusative
        return person.object + thing.object, pronouns, first + second, "", ""

    def ditransitive_to(self, verb: Predicate, row: int, negative: bool) -> tuple[str, str, str, str, str]:
        """English names the person last, German first: explains the plan to the boss."""
        person: Phrase = verb.objects[self.bits(BITS)]
        thing: Phrase = verb.second[self.bits(BITS)]
        if person.near and row not in THIRD:
            person = HIM
        en = f"{thing.object} to{person.object}"
        if thing.pronoun:
            # Two pronouns would stand the other way round: a person is introduced by name.
            thing = r.SOMEONE
            en = f"{thing.object} to{person.object}"
        second = thing.not_accusative if negative else thing.accusative
        if person.pronoun:
            return en, person.dative, second, "", ""
        return en, "", person.dative + second, "", ""

    def prepositional(self, verb: Predicate, row: int, negative: bool) -> tuple[str, str, str, str, str]:
        item: Governed = verb.objects[self.bits(BITS)]
        rest = f" nicht{item.german}" if negative else item.german
        if self.budget and item.phrase.relative and self.bits(2):
            en, de = self.relative(item.phrase)
            return item.english + en, verb.reflexive[row], "", rest, de
        return item.english, verb.reflexive[row], "", rest, ""

    def moving(self, verb: Predicate, row: int, negative: bool) -> tuple[str, str, str, str, str]:
        phrase: Phrase = verb.objects[self.bits(BITS)]
        en, de = verb.second[self.bits(BITS)]
        if phrase.near and row not in THIRD:
            phrase = HIM
        if phrase.pronoun:
            return phrase.object + en, phrase.accusative, "", f" nicht{de}" if negative else de, ""
        # A direction takes the "nicht" to itself, but "kein" stays with its noun.
        if negative and phrase.not_accusative.endswith(" nicht"):
            return phrase.object + en, "", phrase.accusative, f" nicht{de}", ""
        return phrase.object + en, "", phrase.not_accusative if negative else phrase.accusative, de, ""

    def linking(self, verb: Predicate, row: int, negative: bool) -> tuple[str, str, str, str, str]:
        en, de = verb.objects[self.bits(BITS)]
        return en, "", "", f" nicht{de}" if negative else de, ""

    # Embedding frames: the clause inside spends one of the budget.

    def saying(self, verb: Predicate, row: int, negative: bool) -> tuple[str, str, str, str, str]:
        en, de = self.subordinate(" that", ", dass")
        return en, verb.reflexive[row], "", " nicht" if negative else "", de

    def telling(self, verb: Predicate, row: int, negative: bool) -> tuple[str, str, str, str, str]:
        person: Phrase = verb.objects[self.bits(BITS)]
        if person.near and row not in THIRD:
            person = HIM
        en, de = self.subordinate(" that", ", dass")
        if person.pronoun:
            return person.object + en, person.dative, "", " nicht" if negative else "", de
        return person.object + en, "", person.not_dative if negative else person.dative, "", de

    def asking(self, verb: Predicate, row: int, negative: bool) -> tuple[str, str, str, str, str]:
        en, de = self.subordinate(*r.INDIRECT[self.bits(BITS)])
        return en, verb.reflexive[row], "", " nicht" if negative else "", de

    def trying(self, verb: Predicate, row: int, negative: bool) -> tuple[str, str, str, str, str]:
        self.budget -= self.budget > 0
        en, de = self.infinitive(row)
        return f" to{en}", verb.reflexive[row], "", " nicht" if negative else "", f",{de}"

    # Predicates and clauses.

    def infinitive(self, row: int) -> Pair:
        """open the door / die Tür zu öffnen: the infinitive with zu closes it."""
        verb = r.INFINITIVES[self.bits(BITS)]
        en, pronouns, body, rest, after = FRAMES[verb.frame](self, verb, row, False)
        return verb.base + en, f"{pronouns}{body}{rest}{verb.zu}{after}"

    def tense(self, animate: bool, negative: bool) -> int:
        pool = (r.ANIMATE_TENSES if animate else r.INANIMATE_TENSES)[self.past][negative]
        return pool[self.bits(BITS)]

    def predicate(self, subject: Phrase, timed: bool = True, tense: int = -1, embed: bool = True) -> Clause:
        """What the subject does. `timed`: it may have a time; `embed`: its verb may open a clause."""
        bits = self.bits
        chance = bits(10)
        negative = chance & 7 == 0
        animate = subject.kind in r.ANIMATE
        if tense < 0:
            tense = self.tense(animate, negative)
        else:
            negative = False
        if embed and self.budget and subject.kind == "person" and chance & 48 == 0:
            verb = r.EMBEDDING[bits(BITS)]
        else:
            verb = r.deeds(subject.head, subject.kind)[bits(BITS)]
        return self.conjugated(verb, subject.row, tense, negative, timed and chance < 400)

    def conjugated(self, verb: Predicate, row: int, tense: int, negative: bool, timed: bool) -> Clause:
        pre, post, aux, rest, finite, tail, final = verb.forms[tense][row]
        en, pronouns, body, german_rest, after = FRAMES[verb.frame](self, verb, row, negative)
        adverb = when = german_when = ""
        if timed and not after:
            if not negative and tense in HABITUAL and not self.bits(2):
                adverb, german_when = r.FREQUENCY[self.bits(BITS)]
            else:
                when, german_when = r.TIMES_OF[tense][self.bits(BITS)]
        middle = f"{pronouns}{german_when}{body}{german_rest}"
        if negative:
            question = f" not{rest}{en}{when}"
            return Clause(aux + question, aux, question, finite, middle, tail, final, after)
        return Clause(f"{pre}{adverb}{post}{en}{when}", aux, f"{adverb}{rest}{en}{when}",
                      finite, middle, tail, final, after)

    def both(self, first: Clause, second: Clause) -> Clause:
        """Two predicates of one subject. The first must not end in an embedded clause."""
        return Clause(
            f"{first.statement} and{second.statement}", "", "", first.finite, first.middle,
            f"{first.tail} und{second.finite}{second.middle}{second.tail}",
            f"{first.final} und{second.middle}{second.final}", second.after)

    def acting(self, subject: Phrase, timed: bool = True, tense: int = -1) -> Clause:
        """One predicate or, while the budget allows, two."""
        clause = self.predicate(subject, timed, tense)
        if self.budget and not clause.after and not self.bits(2):
            self.budget -= 1
            return self.both(clause, self.predicate(subject, timed, tense))
        return clause

    def subject(self, pool: list[Phrase]) -> tuple[Phrase, str, str]:
        """A subject with its English and German text, perhaps with a relative clause, which a comma closes."""
        phrase = pool[self.bits(BITS)]
        if self.budget and phrase.relative and not self.bits(2):
            en, de = self.relative(phrase)
            return phrase, phrase.subject + en, f"{phrase.nominative}{de},"
        return phrase, phrase.subject, phrase.nominative

    def subordinate(self, opener: str, german_opener: str, tense: int = -1) -> Pair:
        """Verb-final: the finite verb closes the clause, only embedded clauses follow."""
        self.budget -= self.budget > 0
        phrase, en, de = self.subject(r.INNER_SUBJECTS)
        clause = self.acting(phrase, tense=tense)
        return (f"{opener}{en}{clause.statement}",
                f"{german_opener}{de}{clause.middle}{clause.final}{clause.after}")

    def relative(self, head: Phrase) -> Pair:
        """A relative clause: gender and number from its head, case from its own verb."""
        self.budget -= self.budget > 0
        pronouns = RELATIVE[head.relative]
        person = head.kind == "person"
        kind = self.bits(4)
        if kind < 8 or head.kind == "animal" and kind < 11:
            clause = self.predicate(head._replace(row=PLURAL if head.relative == "p" else SINGULAR))
            return (f"{' who' if person else ' that'}{clause.statement}",
                    f"{pronouns[0]}{clause.middle}{clause.final}{clause.after}")
        actor = r.ACTORS[self.bits(BITS)]
        if kind < 13 or head.kind not in r.ANIMATE and head.kind not in r.PLACE_KINDS:
            return self.gap(head, actor, " whom" if person else " that", pronouns[1], r.takers(head.head))
        if head.kind in r.PLACE_KINDS:
            en, de = r.RELATIVE_PLACE[head.kind]
            return self.gap(head, actor, f" {en} which", f", {de}{pronouns[2][1:]}", r.STATIONARY)
        if person and kind == 13:
            return self.gap(head, actor, " whom", pronouns[2], r.HELPING)
        if person and kind == 14:
            return self.gap(head, actor, " with whom", f", mit{pronouns[2][1:]}", r.STATIONARY)
        owned = r.BELONGINGS[self.bits(BITS)]
        clause = self.predicate(owned, embed=False)
        return (f" whose{owned.subject}{clause.statement}",
                f"{pronouns[3]}{owned.nominative}{clause.middle}{clause.final}{clause.after}")

    def gap(self, head: Phrase, actor: Phrase, opener: str, german_opener: str, verbs: list[Predicate]) -> Pair:
        """The head is the object of a verb in the clause: that the woman bought."""
        bits = self.bits
        negative = not bits(3)
        tense = self.tense(True, negative)
        verb = verbs[bits(BITS)]
        pre, post, aux, rest, _, _, final = verb.forms[tense][actor.row]
        when, german_when = r.TIMES_OF[tense][bits(BITS)] if not bits(2) else NOBODY
        verbal = f"{aux} not{rest}" if negative else pre + post
        return (f"{opener}{actor.subject}{verbal}{when}",
                f"{german_opener}{actor.nominative}{german_when}{' nicht' if negative else ''}{final}")


HABITUAL = frozenset((Tense.PRESENT, Tense.PAST))
FRAMES = {
    "intransitive": Clauses.intransitive, "placed": Clauses.placed, "motion": Clauses.placed,
    "transitive": Clauses.transitive, "dative": Clauses.dative, "ditransitive": Clauses.ditransitive,
    "ditransitive_to": Clauses.ditransitive_to, "prepositional": Clauses.prepositional,
    "moving": Clauses.moving, "linking": Clauses.linking, "passive": Clauses.linking, "saying": Clauses.saying,
    "telling": Clauses.telling, "asking": Clauses.asking, "trying": Clauses.trying,
}
