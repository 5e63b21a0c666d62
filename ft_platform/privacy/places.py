"""Names of places: countries, US states and cities."""

import re
from functools import cache

from ft_platform.privacy.names import word_set, words_of_file

# ISO 3166-1 short names, in the forms that English texts use.
COUNTRIES = """
Afghanistan|Albania|Algeria|American Samoa|Andorra|Angola|Anguilla|Antigua and Barbuda|Argentina|Armenia|Aruba|Australia
Austria|Azerbaijan|Bahamas|Bahrain|Bangladesh|Barbados|Belarus|Belgium|Belize|Benin|Bermuda|Bhutan|Bolivia
Bosnia and Herzegovina|Bosnia|Botswana|Brazil|British Virgin Islands|Brunei|Bulgaria|Burkina Faso|Burma|Burundi
Cabo Verde|Cambodia|Cameroon|Canada|Cape Verde|Cayman Islands|Central African Republic|Chad|Chile|China|Colombia|Comoros
Congo|Cook Islands|Costa Rica|Croatia|Cuba|Curaçao|Cyprus|Czech Republic|Czechia|Denmark|Djibouti|Dominica
Dominican Republic|Ecuador|Egypt|El Salvador|England|Equatorial Guinea|Eritrea|Estonia|Eswatini|Ethiopia
Falkland Islands|Faroe Islands|Fiji|Finland|France|French Guiana|French Polynesia|Gabon|Gambia|Georgia|Germany|Ghana
Gibraltar|Greece|Greenland|Grenada|Guadeloupe|Guam|Guatemala|Guernsey|Guinea|Guinea-Bissau|Guyana|Haiti|Holland|Honduras
Hong Kong|Hungary|Iceland|India|Indonesia|Iran|Iraq|Ireland|Isle of Man|Israel|Italy|Ivory Coast|Jamaica|Japan|Jersey
Jordan|Kazakhstan|Kenya|Kiribati|Kosovo|Kuwait|Kyrgyzstan|Laos|Latvia|Lebanon|Lesotho|Liberia|Libya|Liechtenstein
Lithuania|Luxembourg|Macao|Macau|Macedonia|Madagascar|Malawi|Malaysia|Maldives|Mali|Malta|Marshall Islands|Martinique
Mauritania|Mauritius|Mexico|Micronesia|Moldova|Monaco|Mongolia|Montenegro|Montserrat|Morocco|Mozambique|Myanmar|Namibia
Nauru|Nepal|Netherlands|New Caledonia|New Zealand|Nicaragua|Niger|Nigeria|North Korea|North Macedonia|Northern Ireland
Norway|Oman|Pakistan|Palau|Palestine|Panama|Papua New Guinea|Paraguay|Peru|Philippines|Poland|Portugal|Puerto Rico|Qatar
Romania|Russia|Rwanda|Saint Lucia|Samoa|San Marino|Saudi Arabia|Scotland|Senegal|Serbia|Seychelles|Sierra Leone
Singapore|Slovakia|Slovenia|Solomon Islands|Somalia|South Africa|South Korea|South Sudan|Spain|Sri Lanka|Sudan|Suriname
Sweden|Switzerland|Syria|Taiwan|Tajikistan|Tanzania|Thailand|Timor-Leste|Togo|Tonga|Trinidad and Tobago|Tunisia|Turkey
Türkiye|Turkmenistan|Tuvalu|Uganda|Ukraine|United Arab Emirates|United Kingdom|United States of America|United States
Uruguay|Uzbekistan|Vanuatu|Vatican City|Venezuela|Vietnam|Wales|Yemen|Zambia|Zimbabwe|Kingdom of the Netherlands
Republic of Ireland|People's Republic of China|Democratic Republic of the Congo|Republic of the Congo|Republic of Korea
Saint Kitts and Nevis|Saint Vincent and the Grenadines|Sao Tome and Principe|São Tomé and Príncipe
Saint Pierre and Miquelon|Turks and Caicos Islands|Wallis and Futuna|Western Sahara|Saint Helena
Northern Mariana Islands|Norfolk Island|Christmas Island|Réunion|Mayotte|Niue|Tokelau|Palestinian Territories
Great Britain|USA|U.S.A.|UAE|Deutschland|España|Österreich|Schweiz|Suisse|Italia|Brasil|México|Polska|Nederland|Belgique
België
""".replace("\n", "|").strip("|")
STATES = """
Alabama|Alaska|Arizona|Arkansas|California|Colorado|Connecticut|Delaware|District of Columbia|Florida|Hawaii|Idaho
Illinois|Indiana|Iowa|Kansas|Kentucky|Louisiana|Maryland|Massachusetts|Michigan|Minnesota|Mississippi|Missouri|Montana
Nebraska|Nevada|New Hampshire|New Jersey|New Mexico|New York|North Carolina|North Dakota|Ohio|Oklahoma|Oregon
Pennsylvania|Rhode Island|South Carolina|South Dakota|Tennessee|Texas|Utah|Vermont|Virginia|Washington|West Virginia
Wisconsin|Wyoming|Alberta|British Columbia|Manitoba|New Brunswick|Newfoundland|Nova Scotia|Ontario|Quebec|Saskatchewan
New South Wales|Queensland|Bavaria|Catalonia|Andalusia|Tuscany|Provence|Normandy|Yorkshire|Kent|Sussex|Surrey
""".replace("\n", "|").strip("|")


EVERYDAY_CITIES = word_set(
    "mobile reading buffalo orange independence enterprise surprise normal eagle flint boulder bend providence concord"
    " corona"
)
"""Cities of the United States that are everyday words: places only where words around them say so."""


def _alternation(names: str) -> str:
    return "|".join(
        re.escape(n).replace(r"\ ", r"[ \t]+") for n in sorted(names.split("|"), key=lambda n: (-len(n), n)) if n
    )


STATE_CODES = (
    "AL|AK|AZ|AR|CA|CO|CT|DE|DC|FL|GA|HI|ID|IL|IN|IA|KS|KY|LA|ME|MD|MA|MI|MN|MS|MO|MT"
    "|NE|NV|NH|NJ|NM|NY|NC|ND|OH|OK|OR|PA|RI|SC|SD|TN|TX|UT|VT|VA|WA|WV|WI|WY"
)
"""Of the United States Postal Service (Publication 28, appendix B)."""
STATE = re.compile(rf"(?:{_alternation(STATES)}|{STATE_CODES})(?![\w'’-])")
COUNTRY = re.compile(rf"(?:(?i:{_alternation(COUNTRIES)}))(?![\w'’-])")


LONG = frozenset(n.split()[0].lower() for n in COUNTRIES.split("|") if " and " in n or " of " in n)
"""First words of the names that hold words in lower case."""


def countries(text: str, start: int) -> int:
    """Where the name of a country that starts at `start` ends; 0 if none does. Any case."""
    match = COUNTRY.match(text, start)
    return match.end() if match else 0


@cache
def cities() -> frozenset[str]:
    """31,000 names of cities in lower case, from GeoNames."""
    return words_of_file("places.txt")


@cache
def known_places() -> frozenset[str]:
    """Cities, countries and states in lower case."""
    return cities() | frozenset(n.lower() for n in (COUNTRIES + "|" + STATES).split("|"))


def is_place(name: str) -> bool:
    """Whether it is the name of a known city, state or country, in any case."""
    return " ".join(name.lower().split()) in known_places()


@cache
def words_of_places() -> frozenset[str]:
    """Every word of four letters or more that stands in a name of a place, in lower case."""
    return frozenset(word for name in known_places() for word in name.split() if len(word) > 3)
