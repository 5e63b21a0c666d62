"""What a dataset version looks like: counts, lengths, balance, languages, frequent words, and what changed since the
version before."""
