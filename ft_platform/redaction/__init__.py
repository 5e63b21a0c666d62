"""What leaves a process towards Dagster's database, its logs and the terminal: closed by default.

Texts pass that our own code vouches for (`vouched`: every FtError, the metadata of our stages), Dagster's own sentences
(`words`), names that stand in the event anyway, and numbers of at most eight digits. Everything else is withheld and
kept in `<DAGSTER_HOME>/restricted/`, in a file that the placeholder names.

Covered: event log, runs and ticks on any storage, standard output and error of steps and programs, exceptions that
nobody catches, values that a plain asset returns. Not covered: names in code (assets, partitions, tags, keys of
metadata), what code writes into files or sends away by itself."""
