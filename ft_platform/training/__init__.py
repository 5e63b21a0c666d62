"""Fine-tunes a LoRA adapter on the train split and keeps the one with the lowest validation loss."""
