"""One file per source. Each has `SOURCE` and `records(store, **options)`, which yields records in a fixed order:
`text` with `label` or `answer`, `messages`, or `prompt`, `chosen` and `rejected`; `part` where the source has its own
test split; `group` where records of one author or conversation belong together."""
