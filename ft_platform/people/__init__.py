"""Who may do what: actions, persons, and the one question `may`."""
