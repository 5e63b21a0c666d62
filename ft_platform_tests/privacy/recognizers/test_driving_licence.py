"""Driving licences (AAMVA: forms differ by state; DVLA driver numbers). Persons and numbers are fictitious."""

from ft_platform.privacy.recognizers.driving_licence import DrivingLicenceRecognizer
from ft_platform_tests.privacy.examples import checks_of

FOUND = [
    ("wrote down my driving licence, H7945358.", "H7945358", "comma"),
    ("my driver's license number is D6940579", "D6940579", "US"),
    ("Driver License: F162-8235-4011", "F162-8235-4011", "hyphens"),
    ("DL# 51306341", "51306341", "abbreviation"),
    ("MORGA657054SM9IJ", "MORGA657054SM9IJ", "British, without a word"),
    ("Führerschein Nr. B072RRE2I55", "B072RRE2I55", "German"),
    ("My license number is 2270-66-1551, I drive daily", "2270-66-1551", "licence and driving"),
]
NOT_FOUND = [
    ("business license 1234567 of the shop", "another licence"),
    ("MORGA699954SM9IJ", "month 99"),
    ("my driver's license expired in 2019", "no number"),
    ("driver license number XXXX-XXXX", "masked"),
    ("driver license issued 2019-03-15", "date"),
]

test_it_is_found, test_ordinary_text_is_left_alone = checks_of(DrivingLicenceRecognizer(), FOUND, NOT_FOUND)
