"""From a record's conversation to tokens: its turns, the model's own chat template, tools, and text that stays text.

`renderer` is the one way in."""
