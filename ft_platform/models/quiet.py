"""What transformers would print."""


def quiet_transformers() -> None:
    """No progress bars and no advice of transformers in logs."""
    import os
    import warnings

    os.environ.setdefault("TQDM_DISABLE", "1")  # read when tqdm is imported; reading a GGUF asks nothing else

    import transformers

    warnings.filterwarnings("ignore", category=FutureWarning, module=r"transformers\.|peft\.")
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
