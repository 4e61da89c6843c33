"""Nouns of the grammar: one a line, the frequent ones first within a kind.

    english[/plural]  gender  German  genitive  plural

A form that opens with "-" is a suffix of the German singular ("-s": Hund, Hunds); "=" repeats
the singular; "0" means that the form does not exist (mass nouns have no plural, feminine nouns no
genitive ending of their own). Gender "mw" marks weak masculines: all cases but the nominative
take the genitive's form (der Student, den Studenten). "_" stands for a space.

A noun appears once and has one translation, so that the German side follows from the English.
"""

PERSON = """
man/men             m  Mann          -es  Männer
woman/women         f  Frau          0    -en
child/children      n  Kind          -es  -er
teacher             m  Lehrer        -s   =
boy                 mw Junge         -n   -n
girl                n  Mädchen       -s   =
student             mw Student       -en  -en
doctor              m  Arzt          -es  Ärzte
friend              m  Freund        -es  -e
neighbor            mw Nachbar       -n   -n
mother              f  Mutter        0    Mütter
father              m  Vater         -s   Väter
brother             m  Bruder        -s   Brüder
sister              f  Schwester     0    -n
colleague           mw Kollege       -n   -n
baker               m  Bäcker        -s   =
guest               m  Gast          -es  Gäste
daughter            f  Tochter       0    Töchter
son                 m  Sohn          -es  Söhne
farmer              mw Bauer         -n   -n
cook                m  Koch          -s   Köche
singer              m  Sänger        -s   =
nurse               f  Krankenschwester 0 -n
police_officer      mw Polizist      -en  -en
grandmother         f  Großmutter    0    Großmütter
grandfather         m  Großvater     -s   Großväter
painter             m  Maler         -s   =
musician            m  Musiker       -s   =
customer            mw Kunde         -n   -n
aunt                f  Tante         0    -n
uncle               m  Onkel         -s   =
writer              m  Schriftsteller -s  =
engineer            m  Ingenieur     -s   -e
lawyer              m  Anwalt        -s   Anwälte
mayor               m  Bürgermeister -s   =
gardener            m  Gärtner       -s   =
tourist             mw Tourist       -en  -en
fisherman/fishermen m  Fischer       -s   =
soldier             mw Soldat        -en  -en
saleswoman/saleswomen f Verkäuferin  0    -nen
queen               f  Königin       0    -nen
king                m  König         -s   -e
hunter              m  Jäger         -s   =
boss                m  Chef          -s   -s
patient             mw Patient       -en  -en
president           mw Präsident     -en  -en
craftsman/craftsmen m  Handwerker    -s   =
witness             mw Zeuge         -n   -n
"""

ANIMAL = """
dog                 m  Hund          -es  -e
cat                 f  Katze         0    -n
horse               n  Pferd         -es  -e
bird                m  Vogel         -s   Vögel
cow                 f  Kuh           0    Kühe
mouse/mice          f  Maus          0    Mäuse
rabbit              mw Hase          -n   -n
bear                mw Bär           -en  -en
duck                f  Ente          0    -n
wolf/wolves         m  Wolf          -es  Wölfe
fox                 m  Fuchs         -es  Füchse
lion                mw Löwe          -n   -n
elephant            mw Elefant       -en  -en
pig                 n  Schwein       -es  -e
monkey              mw Affe          -n   -n
goat                f  Ziege         0    -n
"""

TEXT = """
book                n  Buch          -es  Bücher
letter              m  Brief         -es  -e
newspaper           f  Zeitung       0    -en
report              m  Bericht       -es  -e
poem                n  Gedicht       -es  -e
novel               m  Roman         -s   -e
contract            m  Vertrag       -s   Verträge
sentence            m  Satz          -es  Sätze
message             f  Nachricht     0    -en
article             m  Artikel       -s   =
word                n  Wort          -es  Wörter
list                f  Liste         0    -n
"""

THING = """
key                 m  Schlüssel     -s   =
bag                 f  Tasche        0    -n
picture             n  Bild          -es  -er
flower              f  Blume         0    -n
gift                n  Geschenk      -s   -e
knife/knives        n  Messer        -s   =
cup                 f  Tasse         0    -n
plate               m  Teller        -s   =
suitcase            m  Koffer        -s   =
ball                m  Ball          -es  Bälle
pen                 m  Stift         -es  -e
coin                f  Münze         0    -n
bottle              f  Flasche       0    -n
map                 f  Karte         0    -n
basket              m  Korb          -es  Körbe
spoon               m  Löffel        -s   =
umbrella            m  Regenschirm   -s   -e
candle              f  Kerze         0    -n
guitar              f  Gitarre       0    -n
toy                 n  Spielzeug     -s   -e
stone               m  Stein         -es  -e
tool                n  Werkzeug      -s   -e
ticket              f  Fahrkarte     0    -n
ring                m  Ring          -es  -e
"""

MACHINE = """
lamp                f  Lampe         0    -n
computer            m  Computer      -s   =
radio               n  Radio         -s   -s
machine             f  Maschine      0    -n
heater              f  Heizung       0    -en
camera              f  Kamera        0    -s
phone               n  Telefon       -s   -e
television          m  Fernseher     -s   =
"""

FURNITURE = """
table               m  Tisch         -es  -e
chair               m  Stuhl         -s   Stühle
bed                 n  Bett          -es  -en
cupboard            m  Schrank       -s   Schränke
sofa                n  Sofa          -s   -s
shelf/shelves       n  Regal         -s   -e
mirror              m  Spiegel       -s   =
bench               f  Bank          0    Bänke
carpet              m  Teppich       -s   -e
"""

OPENABLE = """
door                f  Tür           0    -en
window              n  Fenster       -s   =
box                 f  Kiste         0    -n
gate                n  Tor           -es  -e
drawer              f  Schublade     0    -n
parcel              n  Paket         -s   -e
"""

CLOTHING = """
coat                m  Mantel        -s   Mäntel
dress               n  Kleid         -es  -er
hat                 m  Hut           -es  Hüte
shirt               n  Hemd          -es  -en
shoe                m  Schuh         -s   -e
jacket              f  Jacke         0    -n
skirt               m  Rock          -es  Röcke
scarf/scarves       m  Schal         -s   -s
glove               m  Handschuh     -s   -e
"""

FOOD = """
apple               m  Apfel         -s   Äpfel
bread               n  Brot          -es  0
egg                 n  Ei            -s   -er
cheese              m  Käse          -s   0
cake                m  Kuchen        -s   =
soup                f  Suppe         0    -n
meat                n  Fleisch       -es  0
potato              f  Kartoffel     0    -n
pear                f  Birne         0    -n
salad               m  Salat         -s   -e
sausage             f  Wurst         0    Würste
tomato              f  Tomate        0    -n
rice                m  Reis          -es  0
orange              f  Orange        0    -n
honey               m  Honig         -s   0
cherry              f  Kirsche       0    -n
butter              f  Butter        0    0
onion               f  Zwiebel       0    -n
"""

DRINK = """
water               n  Wasser        -s   0
coffee              m  Kaffee        -s   0
milk                f  Milch         0    0
tea                 m  Tee           -s   0
wine                m  Wein          -es  0
juice               m  Saft          -es  0
beer                n  Bier          -es  0
"""

VEHICLE = """
car                 n  Auto          -s   -s
bicycle             n  Fahrrad       -s   Fahrräder
bus                 m  Bus           -ses -se
boat                n  Boot          -es  -e
train               m  Zug           -es  Züge
truck               m  Lastwagen     -s   =
tractor             m  Traktor       -s   -en
ship                n  Schiff        -es  -e
"""

# Rooms and grounds one is in and goes into.
INSIDE = """
house               n  Haus          -es  Häuser
garden              m  Garten        -s   Gärten
kitchen             f  Küche         0    -n
city                f  Stadt         0    Städte
forest              m  Wald          -es  Wälder
village             n  Dorf          -es  Dörfer
room                n  Zimmer        -s   =
park                m  Park          -s   -s
hotel               n  Hotel         -s   -s
restaurant          n  Restaurant    -s   -s
cellar              m  Keller        -s   =
castle              n  Schloss       -es  Schlösser
library             f  Bibliothek    0    -en
hall                f  Halle         0    -n
valley              n  Tal           -es  Täler
barn                f  Scheune       0    -n
"""

# Goals one is at and goes to.
GOAL = """
station             m  Bahnhof       -s   Bahnhöfe
school              f  Schule        0    -n
market              m  Markt         -es  Märkte
church              f  Kirche        0    -n
hospital            n  Krankenhaus   -es  Krankenhäuser
museum              n  Museum        -s   Museen
airport             m  Flughafen     -s   Flughäfen
lake                m  See           -s   -n
bridge              f  Brücke        0    -n
river               m  Fluss         -es  Flüsse
beach               m  Strand        -es  Strände
theater             n  Theater       -s   =
office              n  Büro          -s   -s
tower               m  Turm          -es  Türme
factory             f  Fabrik        0    -en
"""

IDEA = """
story               f  Geschichte    0    -n
question            f  Frage         0    -n
problem             n  Problem       -s   -e
idea                f  Idee          0    -n
plan                m  Plan          -es  Pläne
answer              f  Antwort       0    -en
song                n  Lied          -es  -er
film                m  Film          -es  -e
dream               m  Traum         -es  Träume
trip                f  Reise         0    -n
game                n  Spiel         -es  -e
mistake             m  Fehler        -s   =
decision            f  Entscheidung  0    -en
secret              n  Geheimnis     -ses -se
task                f  Aufgabe       0    -n
thought             mw Gedanke       -ns  -n
danger              f  Gefahr        0    -en
exhibition          f  Ausstellung   0    -en
success             m  Erfolg        -s   -e
law                 n  Gesetz        -es  -e
accident            m  Unfall        -s   Unfälle
party               f  Feier         0    -n
"""

# The German head stands last in a compound and gives it gender and plural; the modifier takes
# its joining form (die Küche + der Tisch = der Küchentisch).
COMPOUNDS = """
kitchen  Küchen    table chair cupboard window door lamp knife
garden   Garten    table chair gate bench door
school   Schul     book bag bus door garden park
wooden   Holz      table chair box spoon bridge house
winter   Winter    coat jacket shoe garden dream
summer   Sommer    dress hat house garden trip
city     Stadt     park map library church theater
office   Büro      chair lamp door machine
children's Kinder  book room song game bed
stone    Stein     house bridge tower table
apple    Apfel     cake juice
cheese   Käse      cake
potato   Kartoffel soup salad
tomato   Tomaten   soup salad juice
fruit    Obst      salad cake juice basket
toy      Spielzeug car train box
holiday  Ferien    house plan trip
music    Musik     school teacher
sports   Sport     shoe teacher bag
bedroom  Schlafzimmer  window door lamp mirror
"""

NAMES = """
Anna f
Peter m
Maria f
Paul m
Julia f
Martin m
Laura f
David m
Eva f
Simon m
Clara f
Robert m
"""
