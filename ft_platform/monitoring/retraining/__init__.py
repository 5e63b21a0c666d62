"""Why a model is trained again, and why not yet."""
