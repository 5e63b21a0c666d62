"""What a checkpoint gives away of the records it was trained on: membership, verbatim text, personal data, and planted
secrets."""
