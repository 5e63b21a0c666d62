"""Names behind cues, without named-entity recognition. Persons and numbers are fictitious."""

from ft_platform.privacy.recognizers.person import PersonRecognizer
from ft_platform_tests.privacy.examples import checks_of

FOUND = [
    ('{"lastName": "Vandenbroucke"}', "Vandenbroucke", "field of JSON"),
    ("name on card: A M FITZWILLIAM", "A M FITZWILLIAM", "behind `name on card`, initials"),
    ("the manager, latoya shimizu, told me", "latoya shimizu", "lower case, known given name"),
    ("I asked Tomasz Dubrovsky to help", "Tomasz Dubrovsky", "two unknown capitalized words"),
    ("I spoke with Mr. Reed today", "Reed", "title"),
    ("MS. ANNA REED called", "ANNA REED", "title in capitals"),
    ("Dr Price said", "Price", "everyday word behind a title"),
    ("mrs smith called", "smith", "lower case behind a title"),
    ("My name is Mirela Okonjo-Laurent.", "Mirela Okonjo-Laurent", "introduction"),
    ("my name is mirela okonjo and i", "mirela okonjo", "introduction in lower case"),
    ("Best regards,\nMirela Okonjo", "Mirela Okonjo", "below the closing"),
    ("Name: Vasquez Lumen", "Vasquez Lumen", "form field"),
    ("Dear Mirela,", "Mirela", "greeting"),
    ("spoke with Mirela Okonjo there", "Mirela Okonjo", "spoke with"),
    ("Frau van der Berg-Ohm", "van der Berg-Ohm", "German title, particles belong to the name"),
    ("sent by Teresa Okonjo", "Teresa Okonjo", "known given name"),
    ("by Mirela D. Okonjo", "Mirela D. Okonjo", "initial"),
    ("Mr. O'Neil-Okonjo", "O'Neil-Okonjo", "apostrophe and hyphen"),
]
NOT_FOUND = [
    ("Atlas Consumer Credit wrote", "unknown words of a company"),
    ("Mr. XXXX XXXX called", "masked"),
    ("My name is XXXX XXXX", "masked introduction"),
    ("spoke with Customer Service", "department"),
    ("Dear Sir or Madam,", "no name"),
    ("Dear Customer Service,", "department greeted"),
    ("Thank you,\nThe team", "no name below the closing"),
    ("this is Bank of America", "company"),
    ("my name is on the account", "statement"),
    ("Officer of the bank", "no name behind the role"),
    ("Equifax and Wells Fargo", "companies"),
    ("THIS IS OUTRAGEOUS CONDUCT", "capitals"),
]

test_it_is_found, test_ordinary_text_is_left_alone = checks_of(PersonRecognizer(), FOUND, NOT_FOUND)
