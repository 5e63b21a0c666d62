"""One file per command of `ft`. At module level they import the standard library only: `ft --help` must answer at once."""
