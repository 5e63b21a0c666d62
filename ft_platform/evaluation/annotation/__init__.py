"""What experts correct in records: tasks for them, their judgements, and the repairs that follow."""
