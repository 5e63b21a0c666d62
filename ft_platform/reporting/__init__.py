"""What people read: pictures, the evaluation report, the fairness report, the model card. No record's text."""
