"""Export: the model that leaves is the model that was trained."""
