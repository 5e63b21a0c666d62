"""Who is told that something is wrong: once while it lasts, again after some days, and once when it is over."""
