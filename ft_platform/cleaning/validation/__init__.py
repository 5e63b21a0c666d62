"""Great Expectations suites on `cleaned_records` and `splits`; results name records by record_id and never hold a
value."""
