"""Personal data: recognizers find it, pseudonyms replace it, a second scan checks what is left."""
