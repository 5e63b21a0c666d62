"""What a model is worth: figures before and after, savings, payback and sensitivity, from measurements and declared
assumptions."""
