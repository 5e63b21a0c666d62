"""Base models, adapters and models behind endpoints: found, loaded, asked.

`guards`: what refuses hostile files. `rendering`: from records to tokens. `kernels`: arithmetic on tensors."""
