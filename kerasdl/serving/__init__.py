"""Serving SavedModels as TensorFlow Serving does; stands alone, needs no training code."""
