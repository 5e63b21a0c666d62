"""The pages of the portal where people act on a use case."""

SIGN, WAIVE, RELEASE, ROLL_BACK, ASK = "sign", "waive", "release", "rollback", "ask"
REVIEW, REVIEWS = "review", "reviews"
ANNOTATE = "annotate"
RECALL = "recall"
NEW = "new"
"""The page for a new use case, which is about none of those that there are."""
ERASE, DISCLOSE = "erase", "disclose"
TITLES = {
    SIGN: "Sign or reject",
    WAIVE: "Waive a rule or confirm a waiver",
    RELEASE: "Release",
    ROLL_BACK: "Go back to an earlier release",
    ASK: "Ask the released model",
    REVIEW: "Judge answers",
    REVIEWS: "Review of answers",
    ANNOTATE: "Correct records",
    RECALL: "Mark missed personal data",
    ERASE: "Erase a person",
    DISCLOSE: "What is held on a person",
}
"""Page of the portal where something is done about a use case -> its title."""
