"""What transformers would print."""


def quiet_transformers() -> None:
    """No progress bars and no advice of transformers in logs."""
    import warnings

    import transformers

    warnings.filterwarnings("ignore", category=FutureWarning, module=r"transformers\.|peft\.")
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
