"""What of a foreign model folder, adapter or GGUF file is looked at before a library opens it. Refusals are
`BaseModelError` with a reason.

Covered: files that are no plain files or lie elsewhere, pickles, JSON that two readers would understand differently,
keys that name code, kernels, files or other repositories, weights whose header does not fit the file, sizes that would
allocate more than the file holds, chat templates and tokenizers that take without end.
Not covered: bugs in the parsers of safetensors, tokenizers, sentencepiece, gguf and HDF5 themselves; weights that were
trained to misbehave; a folder that is changed by somebody else between the look and the load.
"""
