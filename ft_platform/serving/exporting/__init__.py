"""A checkpoint as files that other programs load: a PEFT folder, merged weights, or a GGUF file.

`export.export` is the one way in. A merged or quantized form is another model than the checkpoint, so each brings its
own evidence: `equivalence`.
"""
