"""Verbs of the grammar: one a line, the frequent ones first within a frame.

    English principal parts | German principal parts | arguments

English: base, or base past participle. German: infinitive, or infinitive, er-form, preterite,
participle; regular parts are derived. "auf+stehen" is separable; "*" after the last part takes
"sein" in the perfect; "sich" opens reflexives. Arguments are kinds of noun; prepositional
frames open with the English and German prepositions and the case that it governs.
One English verb in one frame has one translation. Verbs whose present and past look alike
(read, put, cut) are left out: their German tense could not be told.
"""

# No object.
INTRANSITIVE = """
work                       | arbeiten
sleep slept slept          | schlafen schläft schlief geschlafen
laugh                      | lachen
wait                       | warten
get_up got_up gotten_up    | auf+stehen steht stand gestanden *
sing sang sung             | singen singt sang gesungen
dance                      | tanzen
arrive                     | an+kommen kommt kam gekommen *
cook                       | kochen
fall_asleep fell_asleep fallen_asleep | ein+schlafen schläft schlief geschlafen *
play                       | spielen
return                     | zurück+kommen kommt kam gekommen *
cry                        | weinen
hurry                      | sich beeilen
swim swam swum             | schwimmen schwimmt schwamm geschwommen *
rest                       | sich aus+ruhen
wake_up woke_up woken_up   | auf+wachen *
learn                      | lernen
smoke                      | rauchen
leave left left            | ab+reisen *
disappear                  | verschwinden verschwindet verschwand verschwunden *
sit_down sat_down sat_down | sich hin+setzen
run_away ran_away run_away | weg+laufen läuft lief gelaufen *
celebrate                  | feiern
get_dressed got_dressed gotten_dressed | sich an+ziehen zieht zog gezogen
get_lost got_lost gotten_lost | sich verlaufen verläuft verlief verlaufen
"""

ANIMAL_INTRANSITIVE = """
sleep slept slept          | schlafen schläft schlief geschlafen
play                       | spielen
wait                       | warten
disappear                  | verschwinden verschwindet verschwand verschwunden *
run_away ran_away run_away | weg+laufen läuft lief gelaufen *
fall_asleep fell_asleep fallen_asleep | ein+schlafen schläft schlief geschlafen *
swim swam swum             | schwimmen schwimmt schwamm geschwommen *
"""

THING_INTRANSITIVE = """
disappear                  | verschwinden verschwindet verschwand verschwunden *
"""

# Needs a place: in the garden, on the table.
PLACED = """
live                       | wohnen
sit sat sat                | sitzen sitzt saß gesessen
stand stood stood          | stehen steht stand gestanden
stay                       | bleiben bleibt blieb geblieben *
spend_the_night spent_the_night spent_the_night | übernachten
"""

THING_PLACED = """
lie lay lain               | liegen liegt lag gelegen
"""

# Needs a direction: into the garden, to the station.
MOTION = """
go went gone               | gehen geht ging gegangen *
come came come             | kommen kommt kam gekommen *
drive drove driven         | fahren fährt fuhr gefahren *
run ran run                | laufen läuft lief gelaufen *
travel                     | reisen *
walk                       | spazieren *
fly flew flown             | fliegen fliegt flog geflogen *
hike                       | wandern *
sneak                      | schleichen schleicht schlich geschlichen *
"""

ANIMAL_MOTION = """
run ran run                | laufen läuft lief gelaufen *
come came come             | kommen kommt kam gekommen *
jump                       | springen springt sprang gesprungen *
sneak                      | schleichen schleicht schlich geschlichen *
"""

# Accusative object.
TRANSITIVE = """
see saw seen               | sehen sieht sah gesehen           | person animal thing place vehicle
buy bought bought          | kaufen                            | thing food drink text clothing vehicle
know knew known            | kennen kennt kannte gekannt       | person place text story
find found found           | finden findet fand gefunden       | thing person text animal
visit                      | besuchen                          | person place
look_for looked_for looked_for | suchen                        | person thing animal text
love                       | lieben                            | person animal
eat ate eaten              | essen isst aß gegessen            | food
open                       | öffnen                            | openable
write wrote written        | schreiben schreibt schrieb geschrieben | text
call                       | an+rufen ruft rief gerufen        | person
drink drank drunk          | trinken trinkt trank getrunken    | drink
invite                     | ein+laden lädt lud geladen        | person
meet met met               | treffen trifft traf getroffen     | person
hear heard heard           | hören                             | person animal song
close                      | schließen schließt schloss geschlossen | openable
need                       | brauchen                          | thing person vehicle
forget forgot forgotten    | vergessen vergisst vergaß vergessen | thing story person
understand understood understood | verstehen versteht verstand verstanden | story text person
sell sold sold             | verkaufen                         | thing vehicle clothing food animal
wear wore worn             | tragen trägt trug getragen        | clothing
turn_on                    | ein+schalten                      | machine
turn_off                   | aus+schalten                      | machine
repair                     | reparieren                        | vehicle machine furniture
ask                        | fragen                            | person
fetch                      | ab+holen                          | person animal thing
greet                      | begrüßen                          | person
lose lost lost             | verlieren verliert verlor verloren | thing clothing story
wash                       | waschen wäscht wusch gewaschen    | clothing vehicle
solve                      | lösen                             | problem
pick_up                    | auf+heben hebt hob gehoben        | thing clothing
clean                      | putzen                            | place machine furniture
watch                      | beobachten                        | person animal
drive drove driven         | fahren fährt fuhr gefahren        | vehicle
cook                       | kochen                            | dish
throw_away threw_away thrown_away | weg+werfen wirft warf geworfen | thing text
wake woke woken            | wecken                            | person animal
bake                       | backen backt backte gebacken      | pastry
tidy_up                    | auf+räumen                        | room
describe                   | beschreiben beschreibt beschrieb beschrieben | person place story
try_on                     | an+probieren                      | clothing
paint                      | malen                             | person animal place
admire                     | bewundern                         | person place vehicle
order                      | bestellen                         | food drink thing
lock                       | ab+schließen schließt schloss geschlossen | openable
recognize                  | erkennen erkennt erkannte erkannt | person place
pay_for paid_for paid_for  | bezahlen                          | thing food drink clothing
translate                  | übersetzen                        | text
miss                       | vermissen                         | person animal
build built built          | bauen                             | furniture place vehicle
hide hid hidden            | verstecken                        | thing text
discuss                    | besprechen bespricht besprach besprochen | problem text
sign                       | unterschreiben unterschreibt unterschrieb unterschrieben | contract
photograph                 | fotografieren                     | person animal place
look_after                 | betreuen                          | person animal
hug hugged hugged          | umarmen                           | person
mention                    | erwähnen                          | person place story
improve                    | verbessern                        | text machine
avoid                      | vermeiden vermeidet vermied vermieden | problem
steal stole stolen         | stehlen stiehlt stahl gestohlen   | thing vehicle
bring_back brought_back brought_back | zurück+bringen bringt brachte gebracht | thing text
prepare                    | vor+bereiten                      | event
"""

ANIMAL_TRANSITIVE = """
see saw seen               | sehen sieht sah gesehen           | person animal
look_for looked_for looked_for | suchen                        | person animal
find found found           | finden findet fand gefunden       | person animal thing
hear heard heard           | hören                             | person animal
bite bit bitten            | beißen beißt biss gebissen        | person animal
chase                      | jagen                             | animal
"""

STORY_TRANSITIVE = """
surprise                   | überraschen                       | person
annoy                      | ärgern                            | person
interest                   | interessieren                     | person
frighten                   | erschrecken                       | person
convince                   | überzeugen                        | person
"""

# Dative object.
DATIVE = """
help                       | helfen hilft half geholfen        | person
thank                      | danken                            | person
listen_to listened_to listened_to | zu+hören                   | person
follow                     | folgen *                          | person animal
trust                      | vertrauen                         | person
answer                     | antworten                         | person
congratulate               | gratulieren                       | person
obey                       | gehorchen                         | person
"""

ANIMAL_DATIVE = """
follow                     | folgen *                          | person animal
obey                       | gehorchen                         | person
"""

THING_DATIVE = """
belong_to belonged_to belonged_to | gehören                    | person
please                     | gefallen gefällt gefiel gefallen  | person
"""

IDEA_DATIVE = """
please                     | gefallen gefällt gefiel gefallen  | person
help                       | helfen hilft half geholfen        | person
"""

# Dative person, accusative thing: "gives the woman the book".
DITRANSITIVE = """
give gave given            | geben gibt gab gegeben            | thing text food clothing
show showed shown          | zeigen                            | thing text place vehicle
send sent sent             | schicken                          | text thing
lend lent lent             | leihen leiht lieh geliehen        | thing vehicle text clothing
bring brought brought      | bringen bringt brachte gebracht   | thing food clothing
offer                      | an+bieten bietet bot geboten      | food thing
promise                    | versprechen verspricht versprach versprochen | thing vehicle
"""

# English names the person last: "explains the problem to the woman".
DITRANSITIVE_TO = """
explain                    | erklären                          | problem story text
recommend                  | empfehlen empfiehlt empfahl empfohlen | text place
return                     | zurück+geben gibt gab gegeben     | thing text vehicle
introduce                  | vor+stellen                       | person
reveal                     | verraten verrät verriet verraten  | story
"""

# english preposition, german preposition, case | kinds
PREPOSITIONAL = """
wait                       | warten                            | for auf acc | person vehicle
talk                       | sprechen spricht sprach gesprochen | about über acc | person story text
think thought thought      | denken denkt dachte gedacht       | of an acc | person story
talk                       | sprechen spricht sprach gesprochen | with mit dat | person
play                       | spielen                           | with mit dat | animal person
dream                      | träumen                           | of von dat | vehicle place story
remember                   | sich erinnern                     | - an acc | person story place
laugh                      | lachen                            | about über acc | story
search                     | suchen                            | for nach dat | thing person
take_part took_part taken_part | teil+nehmen nimmt nahm genommen | in an dat | event
take_care took_care taken_care | sich kümmern                  | of um acc | person animal
complain                   | sich beschweren                   | about über acc | person story
get_used got_used gotten_used | sich gewöhnen                  | to an acc | person place
fall_in_love fell_in_love fallen_in_love | sich verlieben      | with in acc | person
rely                       | sich verlassen verlässt verließ verlassen | on auf acc | person
apologize                  | sich entschuldigen                | to bei dat | person
say_goodbye said_goodbye said_goodbye | sich verabschieden     | to von dat | person
"""

# Accusative thing and a direction: "carries the chair into the garden".
MOVING = """
carry                      | tragen trägt trug getragen        | thing furniture
bring brought brought      | bringen bringt brachte gebracht   | thing person furniture
place                      | stellen                           | furniture thing
throw threw thrown         | werfen wirft warf geworfen        | thing
push                       | schieben schiebt schob geschoben  | furniture
pull                       | ziehen zieht zog gezogen          | furniture
accompany                  | begleiten                         | person
"""

# A clause as object: "says that ...".
SAYING = """
say said said              | sagen
know knew known            | wissen weiß wusste gewusst
believe                    | glauben
hope                       | hoffen
hear heard heard           | hören
claim                      | behaupten
notice                     | bemerken
forget forgot forgotten    | vergessen vergisst vergaß vergessen
fear                       | befürchten
find_out found_out found_out | heraus+finden findet fand gefunden
"""

# A person and a clause: "tells the woman that ...".
TELLING = """
tell told told             | erzählen
promise                    | versprechen verspricht versprach versprochen
write wrote written        | schreiben schreibt schrieb geschrieben
show showed shown          | zeigen
"""

# An indirect question: "asks whether ...", "wonders why ...".
ASKING = """
ask                        | fragen
wonder                     | sich fragen
"""

# An infinitive with "zu".
TRYING = """
try                        | versuchen
hope                       | hoffen
decide                     | beschließen beschließt beschloss beschlossen
forget forgot forgotten    | vergessen vergisst vergaß vergessen
begin began begun          | beginnen beginnt begann begonnen
plan planned planned       | planen
promise                    | versprechen verspricht versprach versprochen
refuse                     | sich weigern
"""

# Linking verbs with an adjective.
LINKING = """
be was been                | sein ist war gewesen *
become became become       | werden wird wurde geworden *
look                       | aus+sehen sieht sah gesehen
seem                       | wirken
"""
