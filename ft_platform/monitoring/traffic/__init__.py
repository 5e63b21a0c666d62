"""What a served model was asked, what it answered, and what people said of it: noted beside the server, then in the
lake."""
