"""Adjectives, adverbs, times and numbers of the grammar.

Adjectives: english  [comparative]  German[/stem]  [comparative]  kinds
"-" : derived (older, more careful; älter is always written out where it is irregular);
"stem" is what endings join to where it differs from the predicate form (teuer, ein teures Haus).
"""

# english  english_comparative  german  german_comparative  kinds of noun it goes with
ADJECTIVES = """
old            older         alt           älter        person animal thing vehicle place clothing
young          younger       jung          jünger       person animal
new            newer         neu           neuer        thing vehicle place clothing text idea
big            bigger        groß          größer       animal thing vehicle place
small          smaller       klein         kleiner      animal thing vehicle place food
good           better        gut           besser       text idea food
friendly       friendlier    freundlich    freundlicher person
tired          -             müde/müd      -            person animal
beautiful      -             schön         schöner      thing vehicle place clothing text idea
expensive      -             teuer/teur    teurer       thing vehicle clothing food
red            -             rot           -            thing vehicle clothing
strong         stronger      stark         stärker      person animal
heavy          heavier       schwer        schwerer     thing
clever         -             klug          klüger       person animal
long           longer        lang          länger       text idea
sick           -             krank         -            person animal
happy          happier       glücklich     glücklicher  person
fresh          -             frisch        -            food
quiet          quieter       ruhig         ruhiger      person place
famous         -             berühmt       berühmter    person place text
blue           -             blau          -            thing vehicle clothing
strange        -             seltsam       seltsamer    person thing idea text
cheap          cheaper       billig        billiger     thing vehicle clothing food
important      -             wichtig       wichtiger    text idea person
sad            sadder        traurig       trauriger    person text
poor           poorer        arm           ärmer        person
rich           richer        reich         reicher      person
difficult      -             schwierig     schwieriger  idea text
fast           faster        schnell       schneller    vehicle animal
hungry         -             hungrig       -            person animal
dark           darker        dunkel/dunkl  dunkler      place clothing
short          shorter       kurz          kürzer       text idea
warm           warmer        warm          wärmer       clothing food drink
cold           -             kalt          -            food drink
broken         -             kaputt        -            thing vehicle
interesting    -             interessant   interessanter text idea person
brave          braver        mutig         mutiger      person animal
dangerous      -             gefährlich    gefährlicher animal idea
green          -             grün          -            thing vehicle clothing
sweet          -             süß           -            food drink
clean          -             sauber        -            thing clothing place
dirty          -             schmutzig     -            thing vehicle clothing
polite         politer       höflich       höflicher    person
wild           wilder        wild          wilder       animal
hot            -             heiß          -            food drink
simple         simpler       einfach       einfacher    idea
lazy           lazier        faul          fauler       person animal
empty          -             leer          -            place thing
white          -             weiß          -            thing animal clothing
black          -             schwarz       -            thing animal clothing
"""

# english  german : how something is done
MANNER = """
quietly       leise
alone         allein
happily       fröhlich
gladly        gern
patiently     geduldig
together_with_a_friend  zusammen_mit_einem_Freund
secretly      heimlich
loudly        laut
carefully     vorsichtig
quickly       schnell
slowly        langsam
in_a_hurry    in_Eile
without_a_break  ohne_Pause
"""

# Adverbs of frequency stand before the English main verb, and with the times in German.
FREQUENCY = """
often      oft
always     immer
never      nie
sometimes  manchmal
usually    meistens
rarely     selten
"""

# english  german  : tenses they go with (P past, N present, F future; X present perfect)
TIMES = """
today              heute               PNFX
yesterday          gestern             P
tomorrow           morgen              F
in_the_evening     am_Abend            PNF
in_the_morning     am_Morgen           PNF
every_day          jeden_Tag           PN
last_week          letzte_Woche        P
next_week          nächste_Woche       F
now                jetzt               N
this_morning       heute_Morgen        PX
this_evening       heute_Abend         F
at_night           in_der_Nacht        PNF
soon               bald                F
last_year          letztes_Jahr        P
next_year          nächstes_Jahr       F
every_week         jede_Woche          PN
after_work         nach_der_Arbeit     PNF
last_summer        letzten_Sommer      P
at_noon            am_Mittag           PNF
before_the_meal    vor_dem_Essen       PNF
in_summer          im_Sommer           PN
in_winter          im_Winter           PN
this_week          diese_Woche         NFX
during_the_holidays während_der_Ferien PNF
next_summer        nächsten_Sommer     F
every_morning      jeden_Morgen        PN
in_spring          im_Frühling         PN
after_school       nach_der_Schule     PNF
recently           vor_Kurzem          P
this_year          dieses_Jahr         NFX
"""

WEEKDAYS = "Monday Montag, Tuesday Dienstag, Wednesday Mittwoch, Thursday Donnerstag, " \
           "Friday Freitag, Saturday Samstag, Sunday Sonntag"
MONTHS = "January Januar, March März, April April, June Juni, July Juli, August August, " \
         "September September, October Oktober, December Dezember"
# english singular and plural, German dative plural: "vor drei Tagen", "in drei Tagen"
SPANS = "days Tagen, weeks Wochen, months Monaten, years Jahren, hours Stunden"

ENGLISH_UNITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
                 "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen")
GERMAN_UNITS = ("null", "ein", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun", "zehn", "elf",
                "zwölf", "dreizehn", "vierzehn", "fünfzehn", "sechzehn", "siebzehn", "achtzehn", "neunzehn")
ENGLISH_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
GERMAN_TENS = ("", "", "zwanzig", "dreißig", "vierzig", "fünfzig", "sechzig", "siebzig", "achtzig", "neunzig")


def number(n: int) -> tuple[str, str]:
    """2..100 in words: twenty-one, einundzwanzig (German says the units first)."""
    if n == 100:
        return "one hundred", "hundert"
    if n < 20:
        return ENGLISH_UNITS[n], GERMAN_UNITS[n]
    tens, units = divmod(n, 10)
    if not units:
        return ENGLISH_TENS[tens], GERMAN_TENS[tens]
    return f"{ENGLISH_TENS[tens]}-{ENGLISH_UNITS[units]}", f"{GERMAN_UNITS[units]}und{GERMAN_TENS[tens]}"
