"""A first use-case file for a source: what each column seems to be, with the reason. Figures and names of columns only,
never a value."""
