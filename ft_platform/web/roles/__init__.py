"""Dagster's UI by role: which mutations, queries, subscriptions and paths a person may use. Loads Dagster's web server
only where one is started."""
