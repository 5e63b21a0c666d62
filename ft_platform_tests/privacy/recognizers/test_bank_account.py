"""Account numbers. Persons and numbers are fictitious."""

from ft_platform.privacy.recognizers.bank_account import BankAccountRecognizer
from ft_platform_tests.privacy.examples import checks_of

FOUND = [
    ("account number 1234567890", "1234567890", "plain"),
    ("acct # 00-1234-567", "00-1234-567", "abbreviation"),
    ("Routing no. 021000021", "021000021", "routing number"),
    ("sort code 12-34-56", "12-34-56", "British sort code"),
    ("Kontonummer: 0532013000", "0532013000", "German"),
    ("my account is 123456789", "123456789", "is"),
]
NOT_FOUND = [
    ("account number XXXX", "masked"),
    ("my account 2019", "year"),
    ("account opened 03-15-2020", "date"),
    ("account number is 03-15-2020", "date behind the cue"),
    ("account balance of 1,234.56", "amount"),
    ("closed my account in 30 days", "days"),
    ("accounts of 1234567.89", "amount"),
]

test_it_is_found, test_ordinary_text_is_left_alone = checks_of(BankAccountRecognizer(), FOUND, NOT_FOUND)
