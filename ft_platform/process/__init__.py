"""What a process shares with its machine: progress, memory, variables, names of files, errors of the system, HTTP."""
