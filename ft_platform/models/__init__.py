"""The base model, the one renderer from records to tokens, and exact forward passes over packed rows."""
