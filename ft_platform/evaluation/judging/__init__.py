"""Which of two answers a language model prefers, and how far it agrees with people."""
