"""Word lists of invented values. Fixed: a changed list changes every surrogate, so new words need a new stage version.

Given names and surnames are common ones of several origins; places and streets are put together from two parts, so that
most of them exist nowhere."""


def words_of(text: str) -> tuple[str, ...]:
    return tuple(text.split())


GIVEN = words_of("""
Adam Agnes Ahmed Aisha Alan Alice Amara Amir Ana Andre Anika Anna Anton Arthur Astrid Beatrice Ben Boris Bruno Camille
Carla Carlos Cecilia Chen Clara Claude Daniel Daria David Diego Dina Dora Edith Elena Elias Elif Elsa Emil Emma Enzo
Erik Esra Esther Eva Fatima Felix Fiona Florence Frank Gabriel Gina Greta Gustav Hana Hannah Hassan Helen Henry Hugo Ida
Igor Ines Ingrid Iris Isaac Ivan Ivy Jakob James Jan Jana Jasmin Joel Johan Jonas Jorge Josef Julia Kamal Karin Karl
Kate Kenji Kira Klara Kofi Lara Lars Laura Leila Lena Leo Lina Linda Louis Lucia Lukas Maja Malik Marco Maria Marta
Martin Mats Maya Mei Mila Mina Mohan Nadia Naomi Nikhil Nils Nina Noah Nora Olaf Olga Oscar Otto Paula Pedro Peter Petra
Priya Rafael Rahul Rita Robert Rosa Ruben Ruth Samir Samuel Sara Selma Simon Sofia Stefan Sven Tariq Tessa Thea Theo
Thomas Tomas Ursula Vera Victor Walter Yara Yusuf Zoe
""")

SURNAMES = words_of("""
Abara Adler Aguilar Ahlberg Akande Albers Almeida Amin Andersen Arslan Aydin Bakker Banerjee Barnes Bauer Becker Bell
Berger Blanc Boateng Borg Brandt Brooks Bruun Carlsen Castro Chaudhry Chowdhury Cohen Costa Cruz Dahl Danso Das Delgado
Demir Desai Diaz Dietrich Dubois Duarte Eberhardt Eide Ekman Eriksen Farah Fernandes Ferrari Fischer Fofana Fontaine
Fraser Fuchs Garcia Gerber Gomes Greco Gruber Gupta Haas Hahn Hansen Haddad Hartmann Hassani Hayashi Heller Herrera
Hoffmann Holm Horvat Huber Ibrahim Ito Ivanov Jansen Jensen Joshi Kamara Kaplan Karlsson Kaur Keller Kim Klein Koch
Kovac Kowalski Kruger Kumar Lam Larsen Lehmann Lima Lind Lindgren Lopes Lorenz Lund Madsen Mahmoud Marchetti Marin
Martins Mbeki Mehta Mendes Meyer Mishra Moreau Moreno Mori Mueller Nagy Navarro Ndiaye Nel Nguyen Nilsen Novak Nowak
Oduya Okafor Olsen Ortega Osei Ozturk Park Patel Pereira Petit Petrov Pires Popescu Quist Rahman Ramos Rao Reyes Ricci
Richter Rojas Romero Rossi Roux Saito Salazar Santos Sato Schmitt Schneider Schulte Schwarz Sharma Silva Singh Sousa
Stein Strand Suzuki Svensson Szabo Tanaka Tran Turan Vargas Vogel Volkov Wagner Weber Werner Winter Wolff Yamada Yilmaz
Zapata Zimmermann
""")

BEGINNINGS = words_of("""
Alder Amber Ash Birch Black Bram Bright Brook Cedar Clear Cold Copper Crane Dale East Elder Elm Fair Fern Flint Fox Glen
Gold Green Hart Hazel Heather High Holly Iron Juniper Lark Linden Long Maple Marsh Mill Moss North Oak Orchard Pebble
Pine Quarry Raven Red Ridge River Rose Rowan Sand Silver South Spring Stone Summer Swan Thistle Thorn Timber Vale West
Willow Winter Wren
""")

ENDINGS = words_of("""
beck bourne bridge brook bury combe croft dale field ford gate ham haven hurst leigh ley mere mont port shore stead stow
ton view ville wick wood
worth
""")

COMPANY_FORMS = ("Group", "Partners", "Works", "Trading", "Services", "Holdings")


def compound(beginning: str, ending: str) -> str:
    """E.g. `Ashford`. A letter does not stand three times in a row."""
    return beginning + (ending[1:] if beginning[-2:] == ending[0] * 2 else ending)
