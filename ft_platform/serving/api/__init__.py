"""The HTTP side of the server: OpenAI's protocol for the models of a shelf."""
