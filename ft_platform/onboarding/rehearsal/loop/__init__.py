"""The whole loop in a time-lapse: a served model, a change in what it is asked, and the way back to its accuracy."""
