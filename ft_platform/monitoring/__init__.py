"""What a served model was asked, answered, and told by people; watched with a stated rate of false alarms."""
