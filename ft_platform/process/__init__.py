"""What a process shares with its machine and the person before it: progress, the terminal, memory, private folders, errors of the system."""
