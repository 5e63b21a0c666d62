"""The systems that are compared: baselines, the base model by prompting, the champion, the fine-tuned model."""

TITLES = {
    "majority": "Majority class",
    "nearest_neighbour": "Nearest training record",
    "tfidf_logreg": "TF-IDF + logistic regression",
    "linear_probe": "Linear probe of the base model",
    "base_zero_shot": "Base model, zero-shot",
    "base_few_shot": "Base model, few-shot",
    "champion": "Champion",
    "fine_tuned": "Fine-tuned model",
}
"""Words for a system in tables."""
NOT_FINE_TUNED = {"tfidf_logreg": "TF-IDF classifier", "linear_probe": "linear probe"}
"""Method of a training that is one of these systems -> what its model is called, the simplest first."""
