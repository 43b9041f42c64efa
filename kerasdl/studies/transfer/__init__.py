"""Transfer learning in a comparison: keras.applications frozen, fine-tuned and from scratch."""
