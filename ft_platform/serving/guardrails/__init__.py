"""What guards requests to a served model and its answers, one file for each guardrail; `model.py` joins them."""
