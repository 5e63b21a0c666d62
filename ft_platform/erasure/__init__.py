"""Erases persons on request: everywhere, with a second person's word, a proof and a certificate."""
