"""Pages over all use cases: what needs whom, and how each of them stands."""
