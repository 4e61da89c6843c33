"""German morphology: the declension of noun phrases and the conjugation of verbs.

Cases are N(ominative), A(ccusative), D(ative), G(enitive); genders are m, f, n, and p for the
plural, which knows no gender. The six persons are the rows 0..4 of PERSONS (the plural of "du"
does not occur). A verb is rendered as a `German` triple: the finite part stands second in a main
clause, the tail closes it, and `final` is both together as they close a subordinate clause.
"""
from dataclasses import dataclass
from typing import NamedTuple

CASES = "NADG"
PERSONS = ("ich", "du", "er", "wir", "sie")

# der-words: the endings of the definite article; "dies-", "jed-", "welch-", "all-", "viel-" share them.
DER = {"m": ("der", "den", "dem", "des"), "f": ("die", "die", "der", "der"),
       "n": ("das", "das", "dem", "des"), "p": ("die", "die", "den", "der")}
DER_ENDINGS = {"m": ("er", "en", "em", "es"), "f": ("e", "e", "er", "er"),
               "n": ("es", "es", "em", "es"), "p": ("e", "e", "en", "er")}
# ein-words (ein, kein, mein ...): no ending where the der-words tell masculine from neuter.
EIN_ENDINGS = {"m": ("", "en", "em", "es"), "f": ("e", "e", "er", "er"),
               "n": ("", "", "em", "es"), "p": ("e", "e", "en", "er")}
# Relative pronouns: the article, but for the genitive and the dative plural.
RELATIVE = {"m": ("der", "den", "dem", "dessen"), "f": ("die", "die", "der", "deren"),
            "n": ("das", "das", "dem", "dessen"), "p": ("die", "die", "denen", "deren")}

# Adjective endings. Weak after der-words, mixed after ein-words, strong where nothing else shows the case.
WEAK = {"m": ("e", "en", "en", "en"), "f": ("e", "e", "en", "en"),
        "n": ("e", "e", "en", "en"), "p": ("en", "en", "en", "en")}
MIXED = {"m": ("er", "en", "en", "en"), "f": ("e", "e", "en", "en"),
         "n": ("es", "es", "en", "en"), "p": ("en", "en", "en", "en")}
STRONG = {"m": ("er", "en", "em", "en"), "f": ("e", "e", "er", "er"),
          "n": ("es", "es", "em", "en"), "p": ("e", "e", "en", "er")}

CONTRACTIONS = {"in dem": "im", "in das": "ins", "an dem": "am", "an das": "ans", "von dem": "vom",
                "zu dem": "zum", "zu der": "zur", "bei dem": "beim"}

HABEN = ("habe", "hast", "hat", "haben", "haben")
SEIN = ("bin", "bist", "ist", "sind", "sind")
HATTE = ("hatte", "hattest", "hatte", "hatten", "hatten")
WAR = ("war", "warst", "war", "waren", "waren")
WERDEN = ("werde", "wirst", "wird", "werden", "werden")
WURDE = ("wurde", "wurdest", "wurde", "wurden", "wurden")
MODALS = {
    "kann": ("kann", "kannst", "kann", "können", "können"),
    "muss": ("muss", "musst", "muss", "müssen", "müssen"),
    "will": ("will", "willst", "will", "wollen", "wollen"),
    "darf": ("darf", "darfst", "darf", "dürfen", "dürfen"),
    "sollte": ("sollte", "solltest", "sollte", "sollten", "sollten"),
    "konnte": ("konnte", "konntest", "konnte", "konnten", "konnten"),
    "musste": ("musste", "musstest", "musste", "mussten", "mussten"),
    "wollte": ("wollte", "wolltest", "wollte", "wollten", "wollten"),
}
REFLEXIVE = (" mich", " dich", " sich", " uns", " sich")


@dataclass(frozen=True)
class Noun:
    """A noun's forms: singular and plural, each in the order of CASES; None where there is no such number."""

    gender: str
    singular: tuple[str, str, str, str]
    plural: tuple[str, str, str, str] | None

    def forms(self, plural: bool) -> tuple[str, str, str, str]:
        return self.plural if plural and self.plural else self.singular

    def column(self, plural: bool) -> str:
        return "p" if plural else self.gender


def noun(gender: str, word: str, genitive: str, plural: str) -> Noun:
    """From a line of nouns.py."""
    genitive_form = word if genitive == "0" else word + genitive[1:]
    weak = gender == "mw"
    # der Gedanke, des Gedankens: the other cases drop the -s.
    oblique = genitive_form.removesuffix("s") if weak else word
    singular = (word, oblique, oblique, genitive_form)
    if plural == "0":
        return Noun(gender[0], singular, None)
    many = word if plural == "=" else word + plural[1:] if plural.startswith("-") else plural
    # The dative plural adds -n, unless one is there or the plural is in -s.
    dative = many if many[-1] in "ns" else many + "n"
    return Noun(gender[0], singular, (many, many, dative, many))


@dataclass(frozen=True, eq=False)
class Determiner:
    """A stem with its endings, and the adjective endings it calls for."""

    stem: str
    endings: dict[str, tuple[str, str, str, str]] | None
    adjective: dict[str, tuple[str, str, str, str]]

    def form(self, column: str, case: int) -> str:
        return self.stem + self.endings[column][case] if self.endings else self.stem


THE = Determiner("", DER, WEAK)
A = Determiner("ein", EIN_ENDINGS, MIXED)
NO = Determiner("kein", EIN_ENDINGS, MIXED)
BARE = Determiner("", None, STRONG)


def der_word(stem: str) -> Determiner:
    return Determiner(stem, DER_ENDINGS, WEAK)


def ein_word(stem: str) -> Determiner:
    return Determiner(stem, EIN_ENDINGS, MIXED)


def quantity(word: str) -> Determiner:
    """A number: it does not decline, so that the adjective shows the case (drei alte Häuser)."""
    return Determiner(word, None, STRONG)


MANY = Determiner("viel", DER_ENDINGS, STRONG)


def decline(determiner: Determiner, adjectives: tuple[str, ...], head: Noun,
            plural: bool) -> tuple[str, str, str, str]:
    """The phrase in the four cases; adjectives, given as stems, all take the same ending."""
    column, forms = head.column(plural), head.forms(plural)
    endings = determiner.adjective[column]
    phrases = []
    for case in range(4):
        described = "".join([f"{stem}{endings[case]} " for stem in adjectives])
        article = determiner.form(column, case)
        phrases.append(f"{article} {described}{forms[case]}" if article else described + forms[case])
    return phrases[0], phrases[1], phrases[2], phrases[3]


def prepositional(preposition: str, phrase: str) -> str:
    """Preposition and phrase, with the article drawn in: in + dem Garten = im Garten."""
    article, _, rest = phrase.partition(" ")
    short = CONTRACTIONS.get(f"{preposition} {article}") if rest else None
    return f"{short} {rest}" if short else f"{preposition} {phrase}"


class German(NamedTuple):
    """One finite rendering of a verb; `tail` opens with a space or is empty."""

    finite: str
    tail: str
    final: str


INSEPARABLE = ("be", "ver", "er", "ent", "ge", "zer", "emp", "über", "unter", "um")


@dataclass(frozen=True)
class Verb:
    """Principal parts, without the separable prefix."""

    prefix: str
    infinitive: str
    present: tuple[str, str, str, str, str]
    preterite: tuple[str, str, str, str, str]
    participle: str          # with the prefix: aufgestanden
    sein: bool               # the perfect's auxiliary
    reflexive: bool

    @property
    def whole(self) -> str:
        return self.prefix + self.infinitive

    @property
    def zu(self) -> str:
        """The zu of separable verbs stands between prefix and stem: aufzustehen."""
        return f"{self.prefix}zu{self.infinitive}" if self.prefix else f"zu {self.infinitive}"

    def simple(self, forms: tuple[str, ...]) -> tuple[German, ...]:
        tail = f" {self.prefix}" if self.prefix else ""
        return tuple(German(form, tail, self.prefix + form) for form in forms)

    def perfect(self, pluperfect: bool = False) -> tuple[German, ...]:
        if self.sein:
            return cluster(WAR if pluperfect else SEIN, self.participle)
        return cluster(HATTE if pluperfect else HABEN, self.participle)


def cluster(auxiliaries: tuple[str, ...], closing: str) -> tuple[German, ...]:
    """An auxiliary with what closes the clause; verb-final, the finite part comes last of all."""
    return tuple(German(auxiliary, f" {closing}", f"{closing} {auxiliary}") for auxiliary in auxiliaries)


def stem_of(infinitive: str) -> str:
    return infinitive[:-2] if infinitive.endswith("en") else infinitive[:-1]


def needs_e(stem: str) -> bool:
    """arbeitet, öffnet, atmet: an e keeps the ending audible."""
    if stem[-1] in "dt":
        return True
    return stem.endswith("chn") or (stem[-1] in "mn" and stem[-2] not in "aeiouäöülrhmn")


def second_person(stem: str, third: str) -> str:
    """du from er: sieht, siehst; hält, hältst; isst, isst."""
    if third.endswith("et") or not third.endswith("t"):
        return third[:-1] + "st"
    if stem[-1] == "t":
        return third + "st"
    return third if third[-2] in "sßzx" else third[:-1] + "st"


def conjugate_present(infinitive: str, third: str) -> tuple[str, str, str, str, str]:
    if infinitive == "sein":
        return SEIN
    if infinitive == "werden":
        return WERDEN
    if infinitive == "wissen":
        return "weiß", "weißt", "weiß", "wissen", "wissen"
    stem = stem_of(infinitive)
    return stem + "e", second_person(stem, third), third, infinitive, infinitive


def conjugate_preterite(first: str) -> tuple[str, str, str, str, str]:
    if first.endswith("e"):
        return first, first + "st", first, first + "n", first + "n"
    second = first + ("est" if first[-1] in "dtsßz" else "st")
    return first, second, first, first + "en", first + "en"


def verb(parts: str) -> Verb:
    """From the German column of verbs.py; regular parts are derived from the infinitive."""
    words = parts.split()
    reflexive, sein = words[0] == "sich", words[-1] == "*"
    words = words[reflexive: len(words) - sein]
    prefix, _, infinitive = words[0].rpartition("+")
    if len(words) == 1:
        stem = stem_of(infinitive)
        weak = stem + ("e" if needs_e(stem) else "") + "t"
        prefixed = infinitive.startswith(INSEPARABLE) or infinitive.endswith("ieren")
        words += [weak, weak + "e", weak if prefixed else "ge" + weak]
    third, preterite, participle = words[1:]
    return Verb(prefix, infinitive, conjugate_present(infinitive, third), conjugate_preterite(preterite),
                prefix + participle, sein, reflexive)
