"""A repository of a company's own, which holds its use cases and pins the platform."""
