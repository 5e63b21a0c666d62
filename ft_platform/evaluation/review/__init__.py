"""Which of two answers people like better: blinded sheets for experts, what they said, and how far they agree."""
