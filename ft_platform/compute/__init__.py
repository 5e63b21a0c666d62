"""Where programs run: `program_runs` starts them, `backend` says what a back end is, and each file in `backends/` is
one."""
